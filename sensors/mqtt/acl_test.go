package mqtt

import (
	"strings"
	"testing"
)

func TestACLPattern_covers(t *testing.T) {
	who := &account{user: "ann", client: "c-1"}
	for _, c := range []struct {
		pattern, filter string
		want            bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/c", false},
		{"a/b", "a", false},
		{"a/b", "a/b/c", false},
		{"a/b", "a/+", false},
		{"a/b", "a/#", false},
		{"a/+", "a/b", true},
		{"a/+", "a/+", true},
		{"a/+", "a/", true},
		{"a/+", "a", false},
		{"a/+", "a/#", false},
		{"a/+", "a/b/c", false},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"a/#", "a/+/c", true},
		{"a/#", "a/#", true},
		{"a/#", "#", false},
		{"a/#", "+/#", false},
		{"#", "#", true},
		{"#", "+/x", true},
		{"#", "$SYS/broker/clients", false},
		{"+/broker/#", "$SYS/broker/clients", false},
		{"$SYS/#", "$SYS/broker/clients", true},
		{"$SYS/#", "#", false},
		{"site/%u/#", "site/ann/x", true},
		{"site/%u/#", "site/bob/x", false},
		{"site/%u/#", "site/+/x", false},
		{"dev-%c/up", "dev-c-1/up", true},
		{"dev-%c/up", "dev-c-2/up", false},
		{"%u-%c", "ann-c-1", true},
		{"100%/x", "100%/x", true},
	} {
		p, err := parseACLPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.covers(c.filter, who); got != c.want {
			t.Errorf("%q covers %q: %t", c.pattern, c.filter, got)
		}
	}
}

// Names that would change a pattern's meaning match nothing.
func TestACLPattern_placeholdersAreNoWildcards(t *testing.T) {
	p, err := parseACLPattern("site/%u/x")
	if err != nil {
		t.Fatal(err)
	}
	for user, filters := range map[string][]string{
		"":    {"site//x", "site/+/x", "site/x"},
		"+":   {"site/+/x", "site/any/x"},
		"#":   {"site/#", "site/#/x"},
		"a/b": {"site/a/b/x", "site/a/x"},
	} {
		for _, filter := range filters {
			if p.covers(filter, &account{user: user}) {
				t.Errorf("user %q: %q is covered", user, filter)
			}
		}
	}
}

func TestACL_rulesAddUp(t *testing.T) {
	all, err := newACL([]ACLRule{
		{Users: []string{"*"}, Read: []string{"cmd/%u/#"}, Write: []string{"site/%u/#"}},
		{Users: []string{"ann"}, Read: []string{"site/#"}},
		{Anonymous: true, Write: []string{"guest/#"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ann, bob, nobody := all.account("ann", "1"), all.account("bob", "2"), all.account("", "3")
	for _, c := range []struct {
		what string
		got  bool
		want bool
	}{
		{"ann reads all", ann.mayRead("site/#"), true},
		{"ann reads all, shared", ann.mayRead("$SHARE/group/site/#"), true},
		{"ann reads others' commands", ann.mayRead("$share/group/cmd/bob/#"), false},
		{"ann writes hers", ann.mayWrite("site/ann/x"), true},
		{"ann writes bob's", ann.mayWrite("site/bob/x"), false},
		{"bob reads all", bob.mayRead("site/#"), false},
		{"bob reads his", bob.mayRead("cmd/bob/on"), true},
		{"bob writes guests'", bob.mayWrite("guest/x"), false},
		{"nobody writes guests'", nobody.mayWrite("guest/x"), true},
		{"nobody reads", nobody.mayRead("guest/x"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %t", c.what, c.got)
		}
	}
	var none *acl
	if free := none.account("x", "y"); !free.mayRead("#") || !free.mayWrite("$x/y") {
		t.Error("without rules not everything is allowed")
	}
}

func TestACLRule_validates(t *testing.T) {
	for _, c := range []struct {
		name string
		rule ACLRule
		want string
	}{
		{"good", ACLRule{Users: []string{"*", "ann"}, Read: []string{"#"}}, ""},
		{"nobody", ACLRule{Read: []string{"#"}}, "users"},
		{"bad name", ACLRule{Users: []string{"a:b"}}, "users"},
		{"bad filters", ACLRule{Anonymous: true, Read: []string{"a/#/b", ""}, Write: []string{"a+", "$share/g/x", strings.Repeat("x", 1025)}}, "read read write write write"},
	} {
		var got []string
		c.rule.Validate(func(key, _, _ string) { got = append(got, key) })
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	var got []string
	ValidateACL(make([]ACLRule, maxACLRules+1), func(_, what, _ string) { got = append(got, what) })
	if len(got) != 1 {
		t.Errorf("too many rules: %v", got)
	}
}

// matchesFilter is what MQTT says of filters, told another way.
func matchesFilter(filter, topic []string) bool {
	switch {
	case len(filter) > 0 && filter[0] == "#":
		return true
	case len(filter) == 0 || len(topic) == 0:
		return len(filter) == len(topic) || len(topic) == 0 && filter[0] == "#"
	case filter[0] == "+" || filter[0] == topic[0]:
		return matchesFilter(filter[1:], topic[1:])
	}
	return false
}

// FuzzACLPattern: whatever matches a filter that a pattern covers is allowed by the pattern, too.
func FuzzACLPattern(f *testing.F) {
	f.Add("site/%u/#", "site/ann/+", "site/ann/x", "ann", "c")
	f.Add("+/%c/%", "#", "a/c", "", "c")
	f.Add("a/#", "a", "a", "", "")
	f.Fuzz(func(t *testing.T, pattern, filter, topic, user, client string) {
		p, err := parseACLPattern(pattern)
		if err != nil || strings.ContainsAny(topic, "+#") || topic == "" {
			return
		}
		who := &account{user: user, client: client}
		if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
			return
		}
		if p.covers(filter, who) && matchesFilter(strings.Split(filter, "/"), strings.Split(topic, "/")) && !p.covers(topic, who) {
			t.Errorf("%q covers %q, which matches %q, which it does not cover (user %q, client %q)", pattern, filter, topic, user, client)
		}
	})
}
