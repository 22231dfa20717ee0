package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/configs"
)

const (
	brokerTime   = 5 * time.Second // to hear a broker
	brokerHere   = "localhost:1883"
	recipePlace  = "home" // the recipes' collection
	mostOffered  = 12     // groups of topics that no recipe reads
	recipeHeader = "[[source.mqtt]]\nname = "
)

// broker asks for a broker and what of its topics to take.
func (v *interviewer) broker() error {
	preset := "none"
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(v.ctx, "tcp", brokerHere); err == nil {
		_ = conn.Close() // it was only to see
		preset = brokerHere
	}
	v.say("\nAn MQTT broker elsewhere, or on this machine (%s tried: %s)", brokerHere, map[bool]string{true: "nobody answers", false: "there is one"}[preset == "none"])
	line, err := v.ask("Address, HOST:PORT, tls://HOST:PORT, or none", preset)
	if err != nil || line == "none" {
		return err
	}
	url := line
	if !strings.Contains(url, "://") {
		url = "tcp://" + url
	}
	user, err := v.ask("User name, or none", "none")
	if err != nil {
		return err
	}
	access, passwordFile := "broker = "+quoteTOML(url)+"\n", ""
	if user == "none" {
		user = ""
	} else {
		if passwordFile, err = v.ask("File with the password alone (chmod 600), or none", "none"); err != nil {
			return err
		}
		access += "username = " + quoteTOML(user) + "\n"
		if passwordFile == "none" {
			passwordFile = ""
		} else {
			access += "password_file = " + quoteTOML(passwordFile) + "\n"
		}
	}
	v.say("  listening to all topics for %v …", brokerTime)
	heard, status := agent.ListenBroker(v.ctx, url, user, passwordFile, brokerTime)
	if v.ctx.Err() != nil {
		return fmt.Errorf("nothing was written: %w", context.Cause(v.ctx))
	}
	if len(heard) == 0 {
		v.say("  no message came. %s", printable(status.Text))
		if status.Hint != "" {
			v.say("  hint: %s", printable(status.Hint))
		}
		v.say("  Devices that send rarely keep nothing at the broker: add a [[source.mqtt]] later.")
		return nil
	}
	rest, err := v.offerRecipes(heard, access)
	if err != nil {
		return err
	}
	return v.offerGroups(rest, access)
}

// offerRecipes proposes the recipes that read any of the messages, and returns the messages of the topics that none reads.
func (v *interviewer) offerRecipes(heard []agent.Heard, access string) ([]agent.Heard, error) {
	preamble := "[mqtt.broker]\nlisten = \"127.0.0.1:1883\"\n[[collection]]\nname = \"" + recipePlace + "\"\n"
	cfg, _, err := config.Parse(".", "recipes", []byte(preamble+configs.Recipes()))
	if err != nil {
		return nil, err
	}
	understood := agent.Understood(cfg, heard)
	known := map[string]bool{} // topics
	for _, section := range strings.SplitAfter("\n"+configs.Recipes(), "\n"+recipeHeader)[1:] {
		name, rest, _ := strings.Cut(strings.TrimPrefix(section, `"`), `"`)
		body, _, _ := strings.Cut(rest, "\n[[source.mqtt]]")
		mine := understood[name]
		fresh := slices.ContainsFunc(mine, func(i int) bool { return !known[heard[i].Topic] })
		if !fresh {
			continue
		}
		topics := map[string]bool{}
		for _, i := range mine {
			topics[heard[i].Topic], known[heard[i].Topic] = true, true
		}
		first := heard[mine[0]]
		v.say("\n  %s looks like %s of docs/recipes.md:\n    %s  %s", plural(uint64(len(topics)), "topic"), name,
			cut(printable(first.Topic), shownColumn/2), cut(printable(string(first.Payload)), shownColumn/2))
		keep, err := v.yes("Take them as source "+name, true)
		if err != nil {
			return nil, err
		}
		if keep {
			name := v.free(name)
			text := recipeHeader + quoteTOML(name) + strings.TrimRight(body, "\n") + "\n"
			text = strings.NewReplacer("broker = \"inside\"\n", access, `collection = "`+recipePlace+`"`, "collection = "+quoteTOML(v.collection),
				`time_zone = "Europe/Berlin"`, `time_zone = "Local"`).Replace(text)
			v.take(name, text)
		}
	}
	return slices.DeleteFunc(slices.Clone(heard), func(m agent.Heard) bool { return known[m.Topic] }), nil
}

// offerGroups proposes a source for each group of other topics: those with the same first level and as many levels.
func (v *interviewer) offerGroups(rest []agent.Heard, access string) error {
	groups := map[string][]agent.Heard{}
	for _, m := range rest {
		levels := strings.Split(m.Topic, "/")
		key := fmt.Sprintf("%s/%d", levels[0], len(levels))
		groups[key] = append(groups[key], m)
	}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(groups[b]), len(groups[a])), cmp.Compare(a, b))
	})
	if len(keys) > mostOffered {
		v.say("\n  %d groups of topics; the %d with most messages are offered", len(keys), mostOffered)
		keys = keys[:mostOffered]
	}
	for _, key := range keys {
		if err := v.offerGroup(groups[key], access); err != nil {
			return err
		}
	}
	return nil
}

func (v *interviewer) offerGroup(messages []agent.Heard, access string) error {
	topic, ok := commonTopic(messages)
	guess := agent.GuessMessages(messages)
	first := messages[0]
	v.say("\n  %s of %s, such as\n    %s  %s", plural(uint64(len(messages)), "message"), cut(printable(topic), shownColumn/2),
		cut(printable(first.Topic), shownColumn/2), cut(printable(string(first.Payload)), shownColumn/2))
	if guess.Format == "" || !ok {
		v.say("  no format reads most of them: left out")
		return nil
	}
	keep, err := v.yes("Take them, format "+guess.Format, true)
	if err != nil || !keep {
		return err
	}
	name := v.free(strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.Split(topic, "/")[0]), "-"))
	v.take(name, fmt.Sprintf("%s%s\n%stopics = [%s]\nformat = %s\ncollection = %s\n", recipeHeader, quoteTOML(cmp.Or(name, "mqtt")), access,
		quoteTOML(topic), quoteTOML(guess.Format), quoteTOML(v.collection)))
	return nil
}

// commonTopic returns the pattern of topics that have as many levels: those in which they differ become tags. ok is false when a
// level cannot stand in a pattern.
func commonTopic(messages []agent.Heard) (topic string, ok bool) {
	levels := strings.Split(messages[0].Topic, "/")
	for i := range levels {
		for _, m := range messages {
			if other := strings.Split(m.Topic, "/"); other[i] != levels[i] {
				levels[i] = fmt.Sprintf("{level%d}", i+1)
				break
			}
		}
	}
	for _, level := range levels {
		if strings.ContainsAny(level, "+#{}") && !strings.HasPrefix(level, "{level") || strings.ContainsRune(level, 0) {
			return messages[0].Topic, false
		}
	}
	return strings.Join(levels, "/"), true
}
