package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var manOut = flag.String("man.out", "", "write the manual pages into this folder: make man")

// TestManPages makes a page of section 1 for each command and skerry.toml(5) of docs/config.md, and checks them with man.
func TestManPages(t *testing.T) {
	dir := *manOut
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, _ := newRootCmd()
	root.InitDefaultHelpFlag()
	pages := map[string]string{}
	for _, cmd := range allCommands(root) {
		if cmd.Short == "" {
			t.Errorf("%s has no help", cmd.CommandPath())
		}
		if !cmd.HasParent() || cmd.HasSubCommands() {
			pages[manName(cmd)+".1"] = manPage(cmd)
			continue
		}
		if cmd.Example == "" && !slices.Contains([]string{"help", "version", "id", "status", "collections", "verify", "tail", "run", "demo", "check", "show"}, cmd.Name()) {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		pages[manName(cmd)+".1"] = manPage(cmd)
	}
	reference, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	pages["skerry.toml.5"] = manReference(string(reference))
	if len(pages) < 20 {
		t.Errorf("%d pages: this does not see the commands", len(pages))
	}
	man, lookErr := exec.LookPath("man")
	for name, text := range pages {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if lookErr != nil {
			continue
		}
		cmd := exec.Command(man, "--warnings=w", "-l", path)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80", "PAGER=cat", "MANPAGER=cat")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 || !strings.Contains(stdout.String(), "NAME") {
			t.Errorf("man -l %s: %v, %s%.200s", name, err, stderr.String(), stdout.String())
		}
	}
	if lookErr != nil {
		t.Skip("the pages were made and not checked: there is no man (apt-get install man-db)")
	}
}

func allCommands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			all = append(all, allCommands(sub)...)
		}
	}
	return all
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage writes a command's help in the language of man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"skerry\" \"Skerry Manual\"\n", roffWord(strings.ToUpper(manName(cmd))))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	b.WriteString(".SH DESCRIPTION\n" + roffText(long))
	flags := func(title string, set *pflag.FlagSet) {
		if !set.HasAvailableFlags() {
			return
		}
		b.WriteString(".SH " + title + "\n")
		set.VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			name := "--" + f.Name
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(name+" "+value)), roff(usage))
		})
	}
	cmd.InitDefaultHelpFlag()
	flags("OPTIONS", cmd.LocalFlags())
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + roff(cmd.Example) + "\n.fi\n")
	}
	if subs := cmd.Commands(); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(manName(sub)), roff(sub.Short))
			}
		}
	}
	b.WriteString(".SH EXIT STATUS\n0 ok; 1 failure; 2 usage; 3 damage found (verify); 4 agent not reachable; 78 configuration.\n.SH SEE ALSO\n")
	if cmd.HasParent() {
		b.WriteString(".BR " + roff(manName(cmd.Parent())) + " (1),\n")
	}
	b.WriteString(".BR skerry.toml (5)\n")
	return b.String()
}

// manReference makes a page of the reference of the configuration: headings, paragraphs and tables of keys.
func manReference(markdown string) string {
	var b strings.Builder
	b.WriteString(".TH SKERRY.TOML 5 \"\" \"skerry\" \"Skerry Manual\"\n.SH NAME\nskerry.toml \\- configuration of a Skerry gateway\n.SH DESCRIPTION\n")
	plain := func(text string) string {
		text = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(text, "$1")
		return roff(strings.NewReplacer("`", "", "**", "", `\|`, "|").Replace(text))
	}
	fenced := false
	for line := range strings.SplitSeq(markdown, "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[fenced])
		case fenced:
			b.WriteString(roff(line) + "\n")
		case strings.HasPrefix(line, "# "):
		case strings.HasPrefix(line, "#"):
			b.WriteString(".SH " + plain(strings.TrimLeft(line, "# ")) + "\n")
		case strings.HasPrefix(line, "|---"), strings.HasPrefix(line, "| key "):
		case len(cells) >= 6:
			for i := range cells {
				cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s; default %s. %s\n", plain(cells[1]), plain(cells[2]), plain(cells[3]), plain(strings.Join(cells[4:len(cells)-1], "|")))
		case strings.TrimSpace(line) == "":
			b.WriteString(".PP\n")
		default:
			b.WriteString(plain(strings.TrimSpace(line)) + "\n")
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR skerry (1),\n.BR skerry-config-check (1)\n")
	return regexp.MustCompile(`(\.PP\n)+(\.SH|\.TP|\.PP|$)`).ReplaceAllString(b.String(), "$2")
}

// roffText writes paragraphs; lines that are indented stand as they are.
func roffText(text string) string {
	var b strings.Builder
	literal := false
	for line := range strings.SplitSeq(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != literal {
			literal = indented
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[literal])
		}
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if literal {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// roff escapes what roff would take for its own.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func roffWord(text string) string { return `"` + strings.ReplaceAll(text, `"`, "") + `"` }
