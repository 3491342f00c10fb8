package config

import (
	"strconv"
	"strings"
)

// Source says where the value of a config comes from, in Kafka's numbers (DescribeConfigsResponse.ConfigSource).
type Source int8

// The sources, the most specific first.
const (
	FromTopic         Source = 1
	FromBroker        Source = 2 // the metadata log, for this broker
	FromBrokerDefault Source = 3 // the metadata log, for every broker
	FromFile          Source = 4 // the node's own configuration
	FromDefault       Source = 5
	FromClientMetrics Source = 7
	FromGroup         Source = 8
)

// Synonym is one place that gives a config its value.
type Synonym struct {
	Name, Value string
	Source      Source
	Unlisted    bool  // Kafka has no such default: it computes one from other keys, or the key is a topic's alone. The value holds all the same
	unit        int64 // what one of Value is in the unit of the config it stands for; 0: the same
}

// acting is the value in the unit of the config that the synonym stands for. As in Kafka, a negative time is no bound.
func (s *Synonym) acting() string {
	if s.unit == 0 {
		return s.Value
	}
	n, err := strconv.ParseInt(s.Value, 10, 64)
	if err != nil {
		panic("invariant: configuration value was not checked: " + s.Name)
	}
	return strconv.FormatInt(max(n*s.unit, -1), 10)
}

// coarser are the keys that stand for one of milliseconds where that is not given, the finest first.
var coarser = map[string][]Synonym{
	"log.retention.ms":   {{Name: "log.retention.minutes", unit: 60_000}, {Name: "log.retention.hours", unit: 3_600_000}},
	"log.roll.ms":        {{Name: "log.roll.hours", unit: 3_600_000}},
	"log.roll.jitter.ms": {{Name: "log.roll.jitter.hours", unit: 3_600_000}},
}

// Setting is one config with all places that give it a value; the first counts. Invariant: there is one.
type Setting struct {
	Key      *Key
	Synonyms []Synonym
	ReadOnly bool // only the node's own configuration sets it
	Null     bool // Kafka's broker has no value for it: it is not set, and there is no default, or another key's holds
}

// Value is what holds.
func (s *Setting) Value() string { return s.Synonyms[0].acting() }

// Source is where Kafka says that the value comes from: the first place that it lists.
func (s *Setting) Source() Source {
	for i := range s.Synonyms {
		if !s.Synonyms[i].Unlisted {
			return s.Synonyms[i].Source
		}
	}
	return FromDefault
}

// TopicSettings lists every config of a topic with these entries, in the table's order.
func TopicSettings(node *Node, entries []Entry) []Setting {
	out := make([]Setting, 0, len(TopicKeys))
	for i := range TopicKeys {
		k := &TopicKeys[i]
		s := Setting{Key: k}
		if value, ok := lookup(entries, k.Name); ok {
			s.Synonyms = append(s.Synonyms, Synonym{Name: k.Name, Value: value, Source: FromTopic})
		}
		if name, ok := synonymOf(k.Name); ok {
			nodeKey, _ := Find(NodeKeys, name)
			s.Synonyms = append(s.Synonyms, node.synonyms(nodeKey)...)
		} else {
			s.Synonyms = append(s.Synonyms, topicDefault(k))
		}
		out = append(out, s)
	}
	return out
}

// NodeSettings lists every config of the node in the table's order, and then what it was given that has no effect.
func NodeSettings(node *Node) []Setting {
	out := make([]Setting, 0, len(NodeKeys))
	for i := range NodeKeys {
		out = append(out, node.setting(&NodeKeys[i]))
	}
	for _, name := range Inert(node.given) {
		k, _ := Known(name)
		out = append(out, node.setting(k))
	}
	return out
}

func (n *Node) setting(k *Key) Setting {
	s := Setting{Key: k, Synonyms: n.synonyms(k), ReadOnly: !k.Dynamic()}
	if first := &s.Synonyms[0]; first.Source == FromDefault || first.Name != k.Name {
		s.Null = nullDefault(k.Name)
	}
	if s.Null {
		s.Synonyms[0].Unlisted = true
	}
	return s
}

func (n *Node) synonyms(k *Key) []Synonym {
	var out []Synonym
	if value, ok := acting(n.dynamic.own, k); ok {
		out = append(out, Synonym{Name: k.Name, Value: value, Source: FromBroker})
	}
	if value, ok := acting(n.dynamic.cluster, k); ok {
		out = append(out, Synonym{Name: k.Name, Value: value, Source: FromBrokerDefault})
	}
	if value, ok := lookup(n.given, k.Name); ok {
		out = append(out, Synonym{Name: k.Name, Value: value, Source: FromFile})
	}
	for _, c := range coarser[k.Name] {
		if value, ok := lookup(n.given, c.Name); ok && value != "" {
			c.Value, c.Source = value, FromFile
			out = append(out, c)
		}
	}
	from, isComputed := computed[k.Name]
	out = append(out, Synonym{Name: k.Name, Value: k.Default, Source: FromDefault, Unlisted: isComputed})
	if isComputed {
		out = append(out, Synonym{Name: from, Value: defaultOf(from), Source: FromDefault})
	}
	// Kafka lists nothing that comes before the first of the key's own name.
	for i := range out {
		if out[i].Name == k.Name && !out[i].Unlisted {
			break
		}
		out[i].Unlisted = true
	}
	return out
}

// computed are the node's keys without a default in Kafka: where they are not set, another holds.
var computed = map[string]string{
	"log.flush.interval.ms": "log.flush.scheduler.interval.ms", "log.retention.ms": "log.retention.hours",
	"log.roll.jitter.ms": "log.roll.jitter.hours", "log.roll.ms": "log.roll.hours",
}

func defaultOf(name string) string {
	k, _ := Known(name)
	return k.Default
}

// topicDefault is the default of a key that no key of the node acts for.
func topicDefault(k *Key) Synonym {
	if strings.HasPrefix(k.Name, "local.retention.") { // of tiered storage: Kafka's broker has keys for them
		return Synonym{Name: "log." + k.Name, Value: k.Default, Source: FromDefault}
	}
	return Synonym{Name: k.Name, Value: k.Default, Source: FromDefault, Unlisted: true}
}

// synonymOf returns the node's key that gives a topic config its default.
func synonymOf(topicKey string) (string, bool) {
	for _, s := range topicSynonyms {
		if s[0] == topicKey {
			return s[1], true
		}
	}
	return "", false
}

// lookup returns the last value of a key: a later entry wins.
func lookup(entries []Entry, name string) (value string, ok bool) {
	for _, e := range entries {
		if e.Key == name {
			value, ok = e.Value, true
		}
	}
	return value, ok
}
