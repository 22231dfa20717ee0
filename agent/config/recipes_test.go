package config

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
)

// The page of worked examples. Its blocks "toml", "text messages" and "text readings" are one example each; the readings
// are what the loader and the decoders make of the messages.
const recipesFile = "../../docs/recipes.md"

var updateRecipes = flag.Bool("recipes.update", false, "write the readings of docs/recipes.md anew")

// recipesPreamble is what the page says that all examples stand below.
const recipesPreamble = "[mqtt.broker]\nlisten = \"127.0.0.1:1883\"\n\n[[collection]]\nname = \"home\"\n\n"

func TestRecipes(t *testing.T) {
	text, err := os.ReadFile(recipesFile)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(text), "\n    ", "\n"), strings.TrimSpace(recipesPreamble)) {
		t.Error("the page does not say what its examples stand below")
	}
	fence := regexp.MustCompile("(?ms)^```([a-z ]+)\n(.*?)^```$")
	var recipe *recipe
	count := 0
	got := fence.ReplaceAllStringFunc(string(text), func(block string) string {
		m := fence.FindStringSubmatch(block)
		switch m[1] {
		case "toml":
			recipe = newRecipe(t, m[2])
			return block
		case "text messages":
			recipe.messages = strings.Split(strings.TrimSuffix(m[2], "\n"), "\n")
			return block
		case "text readings":
			count++
			return "```text readings\n" + recipe.readings() + "```"
		}
		t.Errorf("there is a block %q", m[1])
		return block
	})
	if count < 12 {
		t.Errorf("%d examples: this does not read the page", count)
	}
	if *updateRecipes {
		if err := os.WriteFile(recipesFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("docs/recipes.md is not what is stored (-page +stored); look, then write it with: go test ./agent/config -run Recipes -recipes.update\n%s", diff)
	}
}

// recipe is one example.
type recipe struct {
	t        *testing.T
	sources  []recipeSource
	messages []string
}

type recipeSource struct {
	name     string
	patterns []sensors.TopicPattern
	decoder  sensors.Decoder
}

func newRecipe(t *testing.T, text string) *recipe {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte(recipesPreamble+text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Load(path)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v\nin\n%s", err, warnings, text)
	}
	r := &recipe{t: t}
	for _, s := range c.Source.MQTT {
		var patterns []sensors.TopicPattern
		for _, topic := range s.Door.Topics {
			p, err := sensors.ParseTopicPattern(topic)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
		r.add(s.Door.Name, s.Decode, patterns)
	}
	for _, s := range c.Source.Serial {
		r.add(s.Port.Name, s.Decode, nil)
	}
	return r
}

func (r *recipe) add(name string, c decode.Config, patterns []sensors.TopicPattern) {
	f, err := decode.New(c, name, patterns, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		r.t.Fatal(err)
	}
	r.sources = append(r.sources, recipeSource{name, patterns, f.Decoder()})
}

// readings returns what is stored of the messages, a line a reading.
func (r *recipe) readings() string {
	r.t.Helper()
	var out strings.Builder
	for _, message := range r.messages {
		taken := false
		for _, s := range r.sources {
			raw := sensors.Raw{Source: s.name, Payload: []byte(message), Arrived: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			if s.patterns != nil {
				var payload string
				raw.Topic, payload, _ = strings.Cut(message, " ")
				raw.Payload = []byte(payload)
				if digits, is := strings.CutPrefix(payload, "hex:"); is {
					var err error
					if raw.Payload, err = hex.DecodeString(digits); err != nil {
						r.t.Fatal(err)
					}
				}
				if !s.takes(raw.Topic) {
					continue
				}
			}
			taken = true
			readings, err := s.decoder.Decode(nil, raw)
			if fault, ok := errors.AsType[*sensors.DecodeError](err); ok {
				fmt.Fprintf(&out, "rejected: %s\n", fault.Reason)
			}
			for _, one := range readings {
				out.WriteString(recipeLine(one))
			}
			if attentive, ok := s.decoder.(sensors.Attentive); ok {
				for _, answer := range attentive.Aside().Answers {
					fmt.Fprintf(&out, "asked: %s\n", answer.Topic)
				}
			}
		}
		if !taken {
			r.t.Errorf("no source takes %s", message)
		}
	}
	return out.String()
}

func (s recipeSource) takes(topic string) bool {
	for _, p := range s.patterns {
		if _, ok := p.Match(topic, nil); ok {
			return true
		}
	}
	return false
}

// recipeLine is a reading as the page shows it: without the tag source, and "arrival" for the time of arrival.
func recipeLine(r sensors.Reading) string {
	at := "arrival"
	if r.Quality&sensors.QualityArrival == 0 {
		at = time.Unix(0, r.Time).UTC().Format("2006-01-02T15:04:05.999Z")
	}
	name := r.Series.Name
	for _, tag := range r.Series.Tags {
		if tag.Key != "source" {
			name += fmt.Sprintf(" %s=%s", tag.Key, tag.Value)
		}
	}
	value := string(r.AppendValue(nil))
	if r.Series.Type == sensors.String {
		value = fmt.Sprintf("%q", value)
	}
	return strings.TrimRight(fmt.Sprintf("%-24s  %-48s  %s %s", at, name, value, r.Series.Unit), " ") + "\n"
}
