package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shellScripts load the script of `skerry completion` for real and print how the words of LINES are completed, one a line.
func shellScripts() map[string]string {
	return map[string]string{
		"bash": `source "$SCRIPT"
compopt() { :; } # works only where readline calls
while read -r line; do
    # as readline does it: = stands alone
    read -ra COMP_WORDS <<<"${line//=/ = }"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMPREPLY=()
    __start_skerry
    echo "${line%[ =]*} ${COMPREPLY[0]%% *}"
done <<<"$LINES_TO_COMPLETE"
`,
		"fish": `source $SCRIPT
for line in (string split \n -- $LINES_TO_COMPLETE)
    set answers (complete -C "$line")
    set words (string split -r -m1 ' ' -- (string replace = ' ' -- $line))
    echo $words[1] (string replace -r '.*=' '' -- (string split \t -- $answers[1])[1])
end
`,
		"zsh": `zmodload zsh/zpty || exit 1
zpty z zsh -f -i
zpty -w z 'autoload -U compinit; compinit -u -D; source $SCRIPT; stty columns 200; unsetopt zle_bracketed_paste
show() { print; print -r -- "<<$BUFFER>>"; BUFFER= }; zle -N show; bindkey "^I" complete-word; bindkey "^X" show; print RE""ADY'
zpty -r -m z out '*READY*'
for line in ${(f)LINES_TO_COMPLETE}; do
    zpty -w -n z "$line"$'\t\x18'
    zpty -r -m z out '*<<*>>*'
    words=${${out##*<<}%%>>*}
    print -r -- ${words//=/ }
done
`,
	}
}

// TestCompletion_inShells loads the scripts into the shells and completes a command, a flag, its value and a collection.
func TestCompletion_inShells(t *testing.T) {
	socket := serveViews(t, viewRows(t))
	dir := t.TempDir()
	self := program(t)
	wrapper := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", asProgram, shellQuote(self.Path))
	if err := os.WriteFile(filepath.Join(dir, "skerry"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"skerry stat", "skerry config c", "skerry query --form", "skerry query --format=js",
		"skerry query --socket " + socket + " cl", "skerry tail --socket " + socket + " e",
		"skerry plot --socket " + socket + " climate pre", "skerry query --agg=std",
	}
	want := []string{
		"skerry status", "skerry config check", "skerry query --format", "skerry query --format json",
		"skerry query --socket " + socket + " climate", "skerry tail --socket " + socket + " empty",
		"skerry plot --socket " + socket + " climate pressure", "skerry query --agg stddev",
	}
	for shell, script := range shellScripts() {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not installed: %v", shell, err)
			}
			code, generated, stderr := skerry(t, "completion", shell)
			file := filepath.Join(dir, "completion."+shell)
			if err := os.WriteFile(file, []byte(generated), 0o600); code != 0 || err != nil {
				t.Fatalf("completion: exit code %d, %s, %v", code, stderr, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			args := map[string][]string{"bash": {"--norc", "-c"}, "fish": {"--no-config", "-c"}, "zsh": {"-f", "-c"}}[shell]
			cmd := exec.CommandContext(ctx, path, append(args, script)...)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "SCRIPT="+file, "HOME="+dir, "TERM=xterm",
				"LINES_TO_COMPLETE="+strings.Join(lines, "\n"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got []string
			for line := range strings.Lines(string(out)) {
				got = append(got, strings.TrimSpace(line))
			}
			if !slices.Equal(got, want) {
				t.Errorf("completed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
