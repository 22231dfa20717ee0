package archtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A page is one markdown file.
type page struct {
	path  string // below the root
	lines []string
}

// TestDocs_linksResolve: every link of every page leads to a file that is there, and to a heading of it.
func TestDocs_linksResolve(t *testing.T) {
	pages := readPages(t)
	for _, p := range pages {
		for _, fault := range p.brokenLinks(repository) {
			t.Error(fault)
		}
	}
}

func TestPage_brokenLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.md"), []byte("# One `two` three\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := page{path: "b.md", lines: []string{
		"[good](a.md) [also](a.md#one-two-three) [web](https://example.org/x) [self](#here)", "# Here",
		"[gone](c.md)", "[heading](a.md#none)", "`[code](d.md)`", "```", "[fenced](e.md)", "```", "[self](#there)",
	}}
	want := []string{"b.md:3: c.md is not there", "b.md:4: a.md has no heading #none", "b.md:9: b.md has no heading #there"}
	if have := p.brokenLinks(dir); !slices.Equal(have, want) {
		t.Errorf("got %q, want %q", have, want)
	}
}

// TestDocs_namedTestsExist: a test that a page names in `code` is there.
func TestDocs_namedTestsExist(t *testing.T) {
	tests := map[string]bool{}
	named := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := walkRepository(".go", func(_ string, text []byte) error {
		for _, m := range named.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`")
	for _, p := range readPages(t) {
		for i, line := range p.lines {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				if !tests[m[1]] {
					t.Errorf("%s:%d: there is no %s", p.path, i+1, m[1])
				}
			}
		}
	}
}

// readPages reads all markdown files of the repository.
func readPages(t *testing.T) []page {
	t.Helper()
	var pages []page
	err := walkRepository(".md", func(path string, text []byte) error {
		pages = append(pages, page{path, strings.Split(string(text), "\n")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 5 {
		t.Fatalf("found %d pages: this does not read the repository", len(pages))
	}
	return pages
}

// walkRepository visits the files with the extension, but those of hidden folders and of what is built.
func walkRepository(extension string, visit func(path string, text []byte) error) error {
	return filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case err != nil:
			return err
		case entry.IsDir() && path != repository:
			if name[0] == '.' || name == "testdata" || name == "bin" || name == "dist" {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(path) != extension:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(repository, path)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(relative), text)
	})
}

var (
	linkText   = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`]*`")
)

// brokenLinks says which links of the page lead nowhere.
func (p page) brokenLinks(root string) []string {
	var broken []string
	fenced := false
	for i, line := range p.lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced || strings.HasPrefix(line, "    ") {
			continue
		}
		for _, m := range linkText.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, "`"), -1) {
			if why := p.broken(root, m[1]); why != "" {
				broken = append(broken, fmt.Sprintf("%s:%d: %s", p.path, i+1, why))
			}
		}
	}
	return broken
}

// broken says why a link leads nowhere, or returns "".
func (p page) broken(root, target string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	file, heading, _ := strings.Cut(target, "#")
	to := p
	if file != "" {
		to = page{path: filepath.ToSlash(filepath.Join(filepath.Dir(p.path), file))}
		full := filepath.Join(root, to.path)
		info, err := os.Stat(full)
		if errors.Is(err, fs.ErrNotExist) {
			return to.path + " is not there"
		}
		if err != nil || info.IsDir() || heading == "" {
			return ""
		}
		text, err := os.ReadFile(full)
		if err != nil {
			return err.Error()
		}
		to.lines = strings.Split(string(text), "\n")
	}
	if heading != "" && !slices.Contains(to.anchors(), heading) {
		return to.path + " has no heading #" + heading
	}
	return ""
}

// anchors lists the page's headings as links name them.
func (p page) anchors() []string {
	var anchors []string
	for _, line := range p.lines {
		text := strings.TrimLeft(line, "#")
		if text == line || !strings.HasPrefix(text, " ") {
			continue
		}
		anchors = append(anchors, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(text)))
	}
	return anchors
}
