package config

import (
	"slices"
	"testing"

	"odradek/core/image"
)

// What a key of milliseconds shows is told by Kafka's rule: nothing before the first place of the key's own name, and the coarser key's default at the end.
func TestListedPlaces(t *testing.T) {
	stored := dynamic{own: []image.ConfigEntry{{Name: "log.retention.ms", Value: "43200000"}}, cluster: []image.ConfigEntry{{Name: "log.retention.ms", Value: "86400000"}}}
	for _, c := range []struct {
		given   []Entry
		dynamic bool
		want    []Synonym
		source  Source
		null    bool // as the broker's own config
	}{
		{nil, false, nil, FromDefault, true},
		{[]Entry{{"log.retention.hours", "2"}}, false, nil, FromDefault, true},
		{[]Entry{{"log.retention.ms", "7"}}, false, []Synonym{{Name: "log.retention.ms", Value: "7", Source: FromFile}, {Name: "log.retention.hours", Value: "168", Source: FromDefault}}, FromFile, false},
		{nil, true, []Synonym{{Name: "log.retention.ms", Value: "43200000", Source: FromBroker}, {Name: "log.retention.ms", Value: "86400000", Source: FromBrokerDefault},
			{Name: "log.retention.hours", Value: "168", Source: FromDefault}}, FromBroker, false},
	} {
		n, err := ParseNode(c.given)
		if err != nil {
			t.Fatal(err)
		}
		if c.dynamic {
			n.dynamic = stored
		}
		k, _ := Find(NodeKeys, "log.retention.ms")
		for what, s := range map[string]Setting{"retention.ms": setting(TopicSettings(n, nil), "retention.ms"), k.Name: setting(NodeSettings(n), k.Name)} { // any order: each by itself
			listed := slices.DeleteFunc(slices.Clone(s.Synonyms), func(s Synonym) bool { return s.Unlisted })
			for i := range listed {
				listed[i].unit = 0
			}
			if !slices.Equal(listed, c.want) || s.Source() != c.source || s.Null != (c.null && what == k.Name) {
				t.Errorf("%v, dynamic %v: %s lists %+v, from %d, null %v", c.given, c.dynamic, what, listed, s.Source(), s.Null)
			}
		}
	}
}

func setting(all []Setting, name string) Setting {
	return all[slices.IndexFunc(all, func(s Setting) bool { return s.Key.Name == name })]
}

// A key that is not set has no value where Kafka's broker has no default for it, and "" where the default is empty.
func TestNull(t *testing.T) {
	n, err := ParseNode([]Entry{{"broker.rack", "r1"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"advertised.listeners": true, "broker.rack": false, "log.retention.minutes": true, "log.retention.hours": false, "controller.listener.names": false} { // any order: each by itself
		if s := setting(NodeSettings(n), name); s.Null != want {
			t.Errorf("%s is null: %v", name, s.Null)
		}
	}
}
