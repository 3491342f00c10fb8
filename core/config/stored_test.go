package config

import (
	"fmt"
	"testing"
)

// TestStoredTopic: of a topic that is there every config acts that can, and the others are named.
func TestStoredTopic(t *testing.T) {
	node, err := ParseNode([]Entry{{"log.retention.bytes", "5000"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		entries   []Entry
		ignored   string
		retention int64
		segment   int32
	}{
		{nil, "[]", 5000, 1 << 30},
		{[]Entry{{"segment.bytes", "300"}, {"cleanup.policy", "delete"}, {"unclean.leader.election.enable", "false"}}, "[]", 5000, 300},
		{[]Entry{{"segment.bytes", "300"}, {"cleanup.policy", "compact"}, {"retention.bytes", "1"}}, "[cleanup.policy]", -1, 300},
		{[]Entry{{"cleanup.policy", ""}, {"retention.bytes", "1"}}, "[]", -1, 1 << 30},
		{[]Entry{{"cleanup.policy", "compact,delete"}, {"retention.bytes", "1"}}, "[cleanup.policy]", 1, 1 << 30},
		{[]Entry{{"segment.bytes", "x"}, {"no.such.key", "1"}, {"preallocate", "true"}, {"retention.bytes", "7"}}, "[segment.bytes no.such.key preallocate]", 7, 1 << 30},
	} {
		topic, ignored := StoredTopic(node, c.entries)
		var keys []string
		for _, i := range ignored {
			keys = append(keys, i.Key)
		}
		if fmt.Sprint(keys) != c.ignored || topic.RetentionSize != c.retention || topic.SegmentBytes != c.segment {
			t.Errorf("%v: ignored %v, retention.bytes %d, segment.bytes %d", c.entries, ignored, topic.RetentionSize, topic.SegmentBytes)
		}
	}
}
