package config

import (
	"fmt"
	"math"
	"slices"

	"odradek/core/record"
)

// TopicKeys are the topic configs that act. Their defaults are the node's keys named in Synonym order by Kafka; TopicDefaults maps them.
var TopicKeys = []Key{
	{Name: "cleanup.policy", Type: String, Default: "delete", Valid: []string{"delete"}, Doc: "What happens to old segments. Compaction is not served yet."},
	{Name: "compression.gzip.level", Type: Int, Default: "-1", Min: -1, Max: 9, Doc: "Level of gzip where the topic compresses; -1 is the codec's own."},
	{Name: "compression.lz4.level", Type: Int, Default: "9", Min: 1, Max: 17, Doc: "Level of lz4 where the topic compresses."},
	{Name: "compression.type", Type: String, Default: "producer", Valid: compressions, Doc: "Codec of stored batches; producer keeps what was sent."},
	{Name: "compression.zstd.level", Type: Int, Default: "3", Min: -131072, Max: 22, Doc: "Level of zstd where the topic compresses."},
	{Name: "flush.messages", Type: Long, Default: "1", Min: 1, Max: math.MaxInt64, Doc: "1: a record is acknowledged when it is fsynced (group commit). Larger: acknowledged when written, synced after so many records."},
	{Name: "flush.ms", Type: Long, Default: "9223372036854775807", Min: 0, Max: math.MaxInt64, Doc: "Time after which written records of a relaxed topic are synced at the latest."},
	{Name: "max.message.bytes", Type: Int, Default: "1048588", Min: 0, Max: math.MaxInt32, Doc: "Largest batch in bytes, as stored."},
	{Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Min: 0, Max: math.MaxInt64, Doc: "How far a CreateTime may lie in the future."},
	{Name: "message.timestamp.before.max.ms", Type: Long, Default: "9223372036854775807", Min: 0, Max: math.MaxInt64, Doc: "How far a CreateTime may lie in the past."},
	{Name: "message.timestamp.type", Type: String, Default: "CreateTime", Valid: []string{"CreateTime", "LogAppendTime"}, Doc: "Whose clock stamps records."},
	{Name: "min.insync.replicas", Type: Int, Default: "1", Min: 1, Max: math.MaxInt32, Doc: "Replicas that must hold a record before acks=all answers."},
	{Name: "retention.bytes", Type: Long, Default: "-1", Min: -1, Max: math.MaxInt64, Doc: "Size of a partition above which its oldest segments go; -1: no bound."},
	{Name: "retention.ms", Type: Long, Default: "604800000", Min: -1, Max: math.MaxInt64, Doc: "Age above which segments go; -1: no bound. The active segment stays."},
	{Name: "segment.bytes", Type: Int, Default: "1073741824", Min: 256, Max: math.MaxInt32, Doc: "Size at which a segment is full."},
	{Name: "segment.ms", Type: Long, Default: "604800000", Min: 1, Max: math.MaxInt64, Doc: "Age at which a segment is full."},
}

// NotYet are topic configs of Kafka that do not act here yet. Setting one is refused, so that nobody relies on it.
var NotYet = []string{
	"delete.retention.ms", "file.delete.delay.ms",
	"follower.replication.throttled.replicas", "index.interval.bytes", "leader.replication.throttled.replicas", "local.retention.bytes",
	"local.retention.ms", "max.compaction.lag.ms", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "preallocate", "remote.storage.enable",
	"segment.index.bytes", "segment.jitter.ms", "unclean.leader.election.enable",
}

// Topic is the configuration of one topic.
type Topic struct {
	Policy        record.Policy
	FlushMessages int64
	FlushMs       int64
	MinInsync     int32
	SegmentBytes  int32
	SegmentMs     int64
	RetentionMs   int64
	RetentionSize int64 // retention.bytes
}

// Durable reports whether a record counts only when it is fsynced.
func (t *Topic) Durable() bool { return t.FlushMessages == 1 }

// ParseTopic reads a topic's own entries over the node's defaults. The error names the key and what to do.
func ParseTopic(node *Node, entries []Entry) (Topic, error) {
	all := make([]Entry, 0, len(node.topicDefaults)+len(entries))
	all = append(append(all, node.topicDefaults...), entries...)
	v, err := parse(TopicKeys, all)
	if err != nil {
		return Topic{}, err
	}
	return Topic{
		Policy: record.Policy{
			MaxMessageBytes:      int32(v.long("max.message.bytes")),
			LogAppendTime:        v.text("message.timestamp.type") == "LogAppendTime",
			TimestampBeforeMaxMs: v.long("message.timestamp.before.max.ms"),
			TimestampAfterMaxMs:  v.long("message.timestamp.after.max.ms"),
			Compression:          parseCompression(v.text("compression.type")),
			Level:                level(&v, v.text("compression.type")),
		},
		FlushMessages: v.long("flush.messages"),
		FlushMs:       v.long("flush.ms"),
		MinInsync:     int32(v.long("min.insync.replicas")),
		SegmentBytes:  int32(v.long("segment.bytes")),
		SegmentMs:     v.long("segment.ms"),
		RetentionMs:   v.long("retention.ms"),
		RetentionSize: v.long("retention.bytes"),
	}, nil
}

// Ignored is a stored config that does not act, and why.
type Ignored struct {
	Entry
	Why string
}

// asIs are values of configs that do not act which ask for what happens anyhow.
var asIs = []Entry{{"preallocate", "false"}, {"remote.storage.enable", "false"}, {"segment.jitter.ms", "0"}, {"unclean.leader.election.enable", "false"}}

// StoredTopic reads the entries of a topic that is there, whoever made it: each acts that can, the node's defaults hold for the rest, which are returned.
// Where compaction keeps a topic's records, retention must not delete them: a cleanup.policy without delete puts it out of force.
func StoredTopic(node *Node, entries []Entry) (Topic, []Ignored) {
	var acting []Entry
	var ignored []Ignored
	kept := false
	for _, e := range entries {
		if slices.Contains(asIs, e) {
			continue
		}
		if policies := splitList(e.Value); e.Key == "cleanup.policy" && !slices.Contains(policies, "delete") {
			kept = true
		} else if e.Key == "cleanup.policy" && len(policies) == 1 {
			continue
		}
		if _, err := parse(TopicKeys, []Entry{e}); err == nil {
			acting = append(acting, e)
		} else if slices.Contains(NotYet, e.Key) || e.Key == "cleanup.policy" {
			ignored = append(ignored, Ignored{e, "does not act in this version"})
		} else {
			ignored = append(ignored, Ignored{e, err.Error()})
		}
	}
	t, err := ParseTopic(node, acting)
	if err != nil {
		panic("invariant: configs that are right one by one are wrong together: " + err.Error())
	}
	if kept {
		t.RetentionMs, t.RetentionSize = -1, -1
	}
	return t, ignored
}

// level is the compression level that the topic's codec is to have.
func level(v *values, codec string) int {
	switch codec {
	case "gzip", "lz4", "zstd":
		if n := v.long("compression." + codec + ".level"); codec != "gzip" || n >= 0 {
			return int(n)
		}
	}
	return record.DefaultLevel
}

// CheckTopic reports what is wrong with the entries of a new topic: an unknown key (with the nearest one), one that does not act yet, a bad value.
func CheckTopic(node *Node, entries []Entry) error {
	for _, e := range entries {
		for _, name := range NotYet {
			if e.Key == name {
				return fmt.Errorf("topic config %s does not act in this version: leave it out", name)
			}
		}
	}
	_, err := ParseTopic(node, entries)
	return err
}

// TopicValue is one config of a topic: its value, and whether the topic sets it itself.
type TopicValue struct {
	Name, Value string
	Own         bool
}

// DescribeTopic lists every config of a topic with these entries, in the table's order.
func DescribeTopic(node *Node, entries []Entry) []TopicValue {
	var out []TopicValue
	for i := range TopicKeys {
		v := TopicValue{Name: TopicKeys[i].Name, Value: TopicKeys[i].Default}
		for _, e := range node.topicDefaults {
			if e.Key == v.Name {
				v.Value = e.Value
			}
		}
		for _, e := range entries {
			if e.Key == v.Name {
				v.Value, v.Own = e.Value, true
			}
		}
		out = append(out, v)
	}
	return out
}
