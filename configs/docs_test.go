package configs_test

import (
	"os"
	"strings"
	"testing"
)

// TestDocs_modbusExamples loads each example of docs/modbus.md.
func TestDocs_modbusExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/modbus.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for rest := string(page); ; examples++ {
		_, after, found := strings.Cut(rest, "```toml\n")
		if !found {
			break
		}
		example, next, closed := strings.Cut(after, "\n```")
		if !closed {
			t.Fatal("an example has no end")
		}
		rest = next
		cfg, warnings := load(t, example)
		if len(cfg.Source.Modbus) != 1 || len(cfg.Source.Modbus[0].Bus.Slaves[0].Registers) < 6 {
			t.Errorf("example %d: %+v", examples+1, cfg.Source.Modbus)
		}
		for _, w := range warnings {
			if !strings.Contains(w.What, "looks like a manual's number") {
				t.Errorf("example %d: %v", examples+1, w)
			}
		}
	}
	if examples != 2 {
		t.Errorf("docs/modbus.md has %d examples, want 2", examples)
	}
}
