package config

import (
	"strings"
	"testing"
)

func TestKeysAreSound(t *testing.T) {
	for _, table := range [][]Key{NodeKeys, TopicKeys} {
		for i := range table {
			k := &table[i]
			if k.Doc == "" {
				t.Errorf("%s has no doc", k.Name)
			}
			if err := k.Check(k.Default); err != nil {
				t.Errorf("the default breaks its own bounds: %v", err)
			}
		}
	}
	for _, s := range topicSynonyms {
		if _, ok := Find(TopicKeys, s[0]); !ok {
			t.Errorf("synonym of an unknown topic config %s", s[0])
		}
		if _, ok := Find(NodeKeys, s[1]); !ok {
			t.Errorf("%s stands for an unknown key %s", s[0], s[1])
		}
	}
}

func TestRefusalsNameTheWayOut(t *testing.T) {
	cases := []struct{ key, value, want string }{
		{"num.partition", "3", `did you mean "num.partitions"?`},
		{"listners", "x", `did you mean "listeners"?`},
		{"num.partitions", "three", "must be a whole number"},
		{"num.partitions", "0", "must lie between 1 and"},
		{"auto.create.topics.enable", "yes", "must be true or false"},
		{"compression.type", "brotli", "must be one of producer, uncompressed, gzip"},
		{"listeners", "127.0.0.1:9092", "is not NAME://HOST:PORT"},
		{"listeners", "PLAINTEXT://h:99999", "must be a number from 0 to 65535"},
		{"listeners", "SSL://h:9093", "only PLAINTEXT is served yet"},
		{"listeners", "", "listeners is empty"},
		{"process.roles", "broker", "is not served yet"},
	}
	for _, c := range cases {
		if _, err := ParseNode([]Entry{{c.key, c.value}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.value, err, c.want)
		}
	}
}

func TestNodeGivesTopicsTheirDefaults(t *testing.T) {
	n, err := ParseNode([]Entry{{"log.flush.interval.messages", "500"}, {"message.max.bytes", "2000"}, {"log.segment.bytes", "4096"}, {"compression.type", "zstd"},
		{"log.message.timestamp.type", "LogAppendTime"}, {"listeners", "PLAINTEXT://[::1]:9092, PLAINTEXT://h:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if n.Topic.Durable() || n.Topic.Policy.MaxMessageBytes != 2000 || n.Topic.SegmentBytes != 4096 || !n.Topic.Policy.LogAppendTime {
		t.Errorf("a topic gets %+v", n.Topic)
	}
	if n.Listeners[0].Host != "::1" || n.Listeners[1].Port != 1 {
		t.Errorf("listeners %+v", n.Listeners)
	}
	own, err := ParseTopic(n, []Entry{{"flush.messages", "1"}, {"compression.type", "producer"}})
	if err != nil || !own.Durable() || own.Policy.MaxMessageBytes != 2000 {
		t.Errorf("a topic with its own entries gets %+v, %v", own, err)
	}
	for _, v := range DescribeTopic(n, []Entry{{"flush.messages", "1"}}) {
		if v.Name == "flush.messages" && (!v.Own || v.Value != "1") || v.Name == "segment.bytes" && (v.Own || v.Value != "4096") {
			t.Errorf("described as %+v", v)
		}
	}
}

func TestTopicConfigsThatDoNotActAreRefused(t *testing.T) {
	n, _ := ParseNode(nil)
	for _, c := range []struct{ key, want string }{
		{"preallocate", "does not act in this version"},
		{"flush.message", `did you mean "flush.messages"?`},
	} {
		if err := CheckTopic(n, []Entry{{c.key, "1"}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.key, err, c.want)
		}
	}
	if err := CheckTopic(n, []Entry{{"cleanup.policy", "compact"}}); err == nil || !strings.Contains(err.Error(), "must be one of delete") {
		t.Errorf("compact: %v", err)
	}
}

func TestTopicNames(t *testing.T) {
	for _, name := range []string{"a", "A-1_b.c", strings.Repeat("x", 249)} {
		if err := CheckTopicName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a b", "ä", "a/b", strings.Repeat("x", 250), "__cluster_metadata"} {
		if CheckTopicName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
}
