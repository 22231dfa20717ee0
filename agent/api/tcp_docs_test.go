package api_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/agent/api"
)

// TestDocs_tcpExamples runs the shell lines of docs/api.md that ask over TCP, in their order, in the folder with the token.
func TestDocs_tcpExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl here")
	}
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := serveTCP(t, newMemory(), api.Options{Prometheus: http.NotFoundHandler()}, api.TCPConfig{TokenFile: dir + "/api.token"})
	_, port, err := net.SplitHostPort(r.door.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?s)```tcp\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(lines) < 4 {
		t.Fatalf("the page has %d examples: this does not read how it has them", len(lines))
	}
	for _, line := range lines {
		text := strings.ReplaceAll(strings.ReplaceAll(line[1], ":7380", ":"+port), "curl ", "curl -sS -w '%{http_code}' --noproxy '*' ")
		cmd := exec.Command("sh", "-e", "-c", text)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		want := "200"
		if strings.Contains(text, "/metrics") {
			want = "404" // by the handler above: the door let it in
		}
		if err != nil || !strings.HasSuffix(string(out), want) {
			t.Errorf("%s: %v, %s", line[1], err, out)
		}
	}
}
