package mqtt

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// The bounds of access rules.
const (
	maxACLRules    = 1000 // sections [[mqtt.acl]]
	maxACLPatterns = 4000 // topics in all of them
	maxACLUsers    = 4000 // users named in all of them
)

// everyUser stands for all users with a name in ACLRule.Users.
const everyUser = "*"

// ACLRule is one section [[mqtt.acl]]: what some clients of the broker inside may do. Without any rule every client that was
// let in may do everything; with one, a client may do what any rule for it allows, and nothing else.
type ACLRule struct {
	Users     []string `toml:"users"`     // names; "*" = every client that has one, by password or certificate
	Anonymous bool     `toml:"anonymous"` // the rule is for clients without a name, too
	Read      []string `toml:"read"`      // filters that may be subscribed to, and what they cover
	Write     []string `toml:"write"`     // filters of the topics that may be published to
}

// Validate reports every fault of one rule.
func (r ACLRule) Validate(report func(key, what, hint string)) {
	if len(r.Users) == 0 && !r.Anonymous {
		report("users", "is empty: the rule is for nobody", `name them: users = ["meter-1"]; all: users = ["*"]; those without a name: anonymous = true`)
	}
	for _, user := range r.Users {
		if user == everyUser {
			continue
		}
		if err := checkUserName(user); err != nil {
			report("users", fmt.Sprintf("user %q %v", user, err), "")
		}
	}
	for _, list := range []struct {
		key      string
		patterns []string
	}{{"read", r.Read}, {"write", r.Write}} {
		for _, text := range list.patterns {
			if _, err := parseACLPattern(text); err != nil {
				report(list.key, err.Error(), "")
			}
		}
	}
}

// ValidateACL reports what is wrong with all rules together.
func ValidateACL(rules []ACLRule, report func(key, what, hint string)) {
	patterns, users := 0, 0
	for _, r := range rules {
		patterns += len(r.Read) + len(r.Write)
		users += len(r.Users)
	}
	for _, bound := range []struct {
		have, most int
		what       string
	}{{len(rules), maxACLRules, "rules"}, {patterns, maxACLPatterns, "topics"}, {users, maxACLUsers, "users"}} {
		if bound.have > bound.most {
			report("", fmt.Sprintf("have %d %s", bound.have, bound.what), fmt.Sprintf("want at most %d: %%u stands for the user's name", bound.most))
		}
	}
}

// aclPattern is a topic filter of a rule, in levels. A level may have %u, the user's name, and %c, the client id.
type aclPattern []aclLevel

// aclLevel is one level: + or #, else parts to be written one after the other.
type aclLevel struct {
	wild  byte // '+', '#' or 0
	parts []aclPart
}

// aclPart is text, or what a letter stands for.
type aclPart struct {
	text string
	name byte // 'u' or 'c'; 0 = text
}

func parseACLPattern(text string) (aclPattern, error) {
	switch {
	case text == "":
		return nil, fmt.Errorf("topic is empty")
	case len(text) > sensors.MaxTopicBytes || !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return nil, fmt.Errorf("topic %.32q…: want at most %d bytes of UTF-8, none of them zero", text, sensors.MaxTopicBytes)
	case strings.HasPrefix(text, "$share/"):
		return nil, fmt.Errorf("topic %q: write the filter alone, without $share/GROUP/", text)
	}
	levels := strings.Split(text, "/")
	pattern := make(aclPattern, 0, len(levels))
	for i, level := range levels {
		switch {
		case level == "#" && i != len(levels)-1:
			return nil, fmt.Errorf("topic %q: # must be the last level", text)
		case level == "#" || level == "+":
			pattern = append(pattern, aclLevel{wild: level[0]})
		case strings.ContainsAny(level, "+#"):
			return nil, fmt.Errorf("topic %q: level %q: + and # must be a whole level", text, level)
		default:
			pattern = append(pattern, aclLevel{parts: aclParts(level)})
		}
	}
	return pattern, nil
}

// aclParts cuts a level at %u and %c.
func aclParts(level string) []aclPart {
	var parts []aclPart
	for level != "" {
		at := placeholder(level)
		if at > 0 {
			parts = append(parts, aclPart{text: level[:at]})
		}
		if at == len(level) {
			break
		}
		parts = append(parts, aclPart{name: level[at+1]})
		level = level[at+2:]
	}
	return parts
}

// placeholder returns where the first %u or %c begins, or the level's length.
func placeholder(level string) int {
	for i := range len(level) - 1 {
		if level[i] == '%' && (level[i+1] == 'u' || level[i+1] == 'c') {
			return i
		}
	}
	return len(level)
}

// covers reports whether the pattern, for the client of that account, allows all topics that filter matches. A topic is a
// filter that matches only itself.
func (p aclPattern) covers(filter string, who *account) bool {
	if strings.HasPrefix(filter, "$") && p[0].wild != 0 {
		return false // wildcards do not match what begins with $ [MQTT-4.7.2-1]
	}
	rest, more := filter, true
	for _, level := range p {
		if level.wild == '#' {
			return true // also when the filter has ended: a/# matches a
		}
		if !more {
			return false
		}
		var have string
		have, rest, more = strings.Cut(rest, "/")
		if !level.covers(have, who) {
			return false
		}
	}
	return !more
}

// covers reports whether the level allows one level of a filter. A # in the filter is allowed by a # only.
func (l aclLevel) covers(have string, who *account) bool {
	switch {
	case have == "#":
		return false
	case l.wild == '+':
		return true
	case have == "+":
		return false
	}
	for _, part := range l.parts {
		text := part.text
		switch part.name {
		case 'u':
			text = who.user
		case 'c':
			text = who.client
		}
		var ok bool
		if have, ok = strings.CutPrefix(have, text); !ok || text == "" {
			return false // who has no name is nobody's namesake
		}
	}
	return have == ""
}

// acl is all rules. Immutable.
type acl struct{ rules []aclRule }

type aclRule struct {
	users       map[string]struct{}
	every       bool
	anonymous   bool
	read, write []aclPattern
}

// newACL returns the rules in a form to be asked, or nil when there are none: then everything is allowed. They are valid.
func newACL(rules []ACLRule) (*acl, error) {
	if len(rules) == 0 {
		return nil, nil //nolint:nilnil // no rules are no fault
	}
	all := &acl{}
	for _, r := range rules {
		made := aclRule{anonymous: r.Anonymous, users: make(map[string]struct{}, len(r.Users))}
		for _, user := range r.Users {
			if user == everyUser {
				made.every = true
			} else {
				made.users[user] = struct{}{}
			}
		}
		for _, list := range []struct {
			texts []string
			into  *[]aclPattern
		}{{r.Read, &made.read}, {r.Write, &made.write}} {
			for _, text := range list.texts {
				pattern, err := parseACLPattern(text)
				if err != nil {
					return nil, err
				}
				*list.into = append(*list.into, pattern)
			}
		}
		all.rules = append(all.rules, made)
	}
	return all, nil
}

// account is who a client is, and what it may do. Immutable.
type account struct {
	user   string // empty: anonymous
	client string // its id
	rules  []*aclRule
	free   bool // there are no rules: everything is allowed

	byPassword bool // the user was told by a password
}

// account returns the account of a client. user is empty when it has none.
func (a *acl) account(user, client string) *account {
	who := &account{user: user, client: client, free: a == nil}
	if a == nil {
		return who
	}
	for i := range a.rules {
		r := &a.rules[i]
		_, named := r.users[user]
		if user == "" && r.anonymous || user != "" && (r.every || named) {
			who.rules = append(who.rules, r)
		}
	}
	return who
}

// mayWrite reports whether the client may publish to the topic.
func (w *account) mayWrite(topic string) bool {
	return w.free || w.allows(topic, func(r *aclRule) []aclPattern { return r.write })
}

// mayRead reports whether the client may subscribe to the filter: every topic that it matches must be allowed by one pattern.
func (w *account) mayRead(filter string) bool {
	if w.free {
		return true
	}
	if strings.HasPrefix(strings.ToLower(filter), "$share/") {
		if parts := strings.SplitN(filter, "/", 3); len(parts) == 3 {
			filter = parts[2]
		}
	}
	return w.allows(filter, func(r *aclRule) []aclPattern { return r.read })
}

func (w *account) allows(filter string, of func(*aclRule) []aclPattern) bool {
	for _, r := range w.rules {
		for _, pattern := range of(r) {
			if pattern.covers(filter, w) {
				return true
			}
		}
	}
	return false
}

// name returns the user for people.
func (w *account) name() string {
	if w.user == "" {
		return "an anonymous client"
	}
	return fmt.Sprintf("user %q", w.user)
}
