package configs_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/configs"
)

// load loads text as skerry.toml of a folder of its own, with drop-ins.
func load(t *testing.T, text string, dropIns ...string) (*config.Config, []config.Fault) {
	t.Helper()
	path := filepath.Join(t.TempDir(), config.FileName)
	write(t, path, text)
	for i, d := range dropIns {
		write(t, filepath.Join(filepath.Dir(path), "skerry.d", strconv.Itoa(i)+".toml"), d)
	}
	cfg, warnings, err := config.Load(path)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return cfg, warnings
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSample_runsAsItIs(t *testing.T) {
	const name = `pump "3" – ünder`
	cfg, warnings := load(t, string(configs.Sample(name)))
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	if cfg.Gateway.Name != name || cfg.SourceCount() != 0 || cfg.MQTT.Broker.Listen != "" {
		t.Errorf("name %q, %d sources, broker %q; want %q, none, off", cfg.Gateway.Name, cfg.SourceCount(), cfg.MQTT.Broker.Listen, name)
	}
}

// TestSample_uncommentedLoads removes the # of every setting: what the sample shows must be right too.
func TestSample_uncommentedLoads(t *testing.T) {
	var text strings.Builder
	settings := 0
	for line := range strings.Lines(string(configs.Sample("x"))) {
		if setting, commented := strings.CutPrefix(line, "#"); commented && !strings.HasPrefix(setting, " ") && setting != "\n" {
			line = setting
			settings++
		}
		text.WriteString(line)
	}
	cfg, warnings := load(t, text.String())
	absent := 0
	for _, w := range warnings {
		switch {
		case strings.HasPrefix(w.What, "there is no file"):
			absent++
		case w.Key != "store.profile":
			t.Errorf("warning %v, want those of files, which are not there, and of the profile", w)
		}
	}
	if settings < 40 || cfg.SourceCount() != 6 || len(cfg.Collections) != 1 || absent != 6 || cfg.MQTT.Broker.Listen == "" {
		t.Errorf("%d settings, %d sources, %d collections, %d files that are not there", settings, cfg.SourceCount(), len(cfg.Collections), absent)
	}
}

func TestDemo_loads(t *testing.T) {
	const device = "/tmp/a \"b\"/weather.tty"
	cfg, warnings := load(t, string(configs.Sample("demo")), string(configs.Demo(device)))
	if len(warnings) > 0 || len(cfg.Source.Serial) != 1 || cfg.Source.Serial[0].Port.Device != device {
		t.Errorf("warnings %v, serial sources %+v", warnings, cfg.Source.Serial)
	}
}

// TestRecipes_areThoseOfThePage: each section of MQTT on the page is embedded as it stands there, and nothing else.
func TestRecipes_areThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.SplitAfterN(configs.Recipes(), "\n", 2)[0]
	for _, block := range strings.Split(string(page), "```toml\n")[1:] {
		if text, _, _ := strings.Cut(block, "```"); strings.Contains(text, `broker = "inside"`) {
			want += "\n" + text
		}
	}
	if configs.Recipes() != want {
		t.Error("configs/recipes.toml is not what docs/recipes.md has; copy the blocks with broker = \"inside\" there, a blank line before each")
	}
}
