package config

import (
	"fmt"
	"math"
	"slices"

	"odradek/core/record"
)

// Why keys are fixed, and what others are there for.
const (
	noCompaction  = "Only compaction reads it, which is not served yet; kept and shown, for tools that copy a topic."
	noTiers       = "Only tiered storage reads it, which is not served; kept and shown, for tools that copy a topic."
	tiersMissing  = "tiered storage is not served"
	noReplication = "nothing is replicated yet that could be throttled"
)

// TopicKeys are Kafka's topic configs. A key acts, or it cannot matter with cleanup.policy=delete on one node and is kept and shown; a value that asks for what
// is not done is refused (Fixed), so that nobody relies on it:
//
//   - cleanup.policy=compact, remote.storage.enable and its kin, throttled replicas: not served.
//   - preallocate=true: Kafka gives a new segment all its bytes on the disk at once. Here only indexes have room set aside, and a log file's length is its data.
//   - file.delete.delay.ms other than 0: Kafka keeps the files of a deleted segment for a minute because readers may be in them. Here who reads keeps them open,
//     and the space is free at once; a delay would be a promise that they can be rescued.
//
// Defaults are the node's keys of topicSynonyms.
var TopicKeys = []Key{
	{Name: "cleanup.policy", Type: List, Default: "delete", Valid: []string{"delete"}, Doc: "What happens to old segments; empty: they stay. Compaction is not served yet."},
	{Name: "compression.gzip.level", Type: Int, Default: "-1", Min: -1, Max: 9, Not0: true, Doc: "Level of gzip where the topic compresses; -1 is the codec's own."},
	{Name: "compression.lz4.level", Type: Int, Default: "9", Min: 1, Max: 17, Doc: "Level of lz4 where the topic compresses."},
	{Name: "compression.type", Type: String, Default: "producer", Valid: compressions, Doc: "Codec of stored batches; producer keeps what was sent."},
	{Name: "compression.zstd.level", Type: Int, Default: "3", Min: -131072, Max: 22, Doc: "Level of zstd where the topic compresses."},
	{Name: "delete.retention.ms", Type: Long, Default: "86400000", Min: 0, Max: math.MaxInt64, Doc: noCompaction},
	{Name: "file.delete.delay.ms", Type: Long, Default: "0", Min: 0, Max: math.MaxInt64, Fixed: "deleted segments leave the disk at once, and readers keep what they have open",
		Doc: "How long the files of deleted segments stay. They go at once."},
	{Name: "flush.messages", Type: Long, Default: "1", Min: 1, Max: math.MaxInt64, Doc: "1: a record is acknowledged when it is fsynced (group commit). Larger: acknowledged when written, synced after so many records."},
	{Name: "flush.ms", Type: Long, Default: "9223372036854775807", Min: 0, Max: math.MaxInt64, Doc: "Time after which written records of a relaxed topic are synced at the latest."},
	{Name: "follower.replication.throttled.replicas", Type: List, Default: "", Fixed: noReplication, Doc: "Replicas whose followers are throttled."},
	{Name: "index.interval.bytes", Type: Int, Default: "4096", Min: 0, Max: math.MaxInt32, Doc: "Bytes of batches behind which a segment's index gets its next entry."},
	{Name: "leader.replication.throttled.replicas", Type: List, Default: "", Fixed: noReplication, Doc: "Replicas whose leaders are throttled."},
	{Name: "local.retention.bytes", Type: Long, Default: "-2", Min: -2, Max: math.MaxInt64, Doc: noTiers},
	{Name: "local.retention.ms", Type: Long, Default: "-2", Min: -2, Max: math.MaxInt64, Doc: noTiers},
	{Name: "max.compaction.lag.ms", Type: Long, Default: "9223372036854775807", Min: 1, Max: math.MaxInt64, Doc: noCompaction},
	{Name: "max.message.bytes", Type: Int, Default: "1048588", Min: 0, Max: math.MaxInt32, Doc: "Largest batch in bytes, as stored."},
	{Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Min: 0, Max: math.MaxInt64, Doc: "How far a CreateTime may lie in the future."},
	{Name: "message.timestamp.before.max.ms", Type: Long, Default: "9223372036854775807", Min: 0, Max: math.MaxInt64, Doc: "How far a CreateTime may lie in the past."},
	{Name: "message.timestamp.type", Type: String, Default: "CreateTime", Valid: []string{"CreateTime", "LogAppendTime"}, Doc: "Whose clock stamps records."},
	{Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", Doc: noCompaction},
	{Name: "min.compaction.lag.ms", Type: Long, Default: "0", Min: 0, Max: math.MaxInt64, Doc: noCompaction},
	{Name: "min.insync.replicas", Type: Int, Default: "1", Min: 1, Max: math.MaxInt32, Doc: "Replicas that must hold a record before acks=all answers."},
	{Name: "preallocate", Type: Bool, Default: "false", Fixed: "a segment's file is as long as its data", Doc: "Whether a segment gets all its bytes on the disk when it begins."},
	{Name: "remote.log.copy.disable", Type: Bool, Default: "false", Fixed: tiersMissing, Doc: "Whether tiered data is only read."},
	{Name: "remote.log.delete.on.disable", Type: Bool, Default: "false", Fixed: tiersMissing, Doc: "Whether tiered data goes when tiered storage is switched off."},
	{Name: "remote.storage.enable", Type: Bool, Default: "false", Fixed: tiersMissing, Doc: "Whether segments are copied to tiered storage."},
	{Name: "retention.bytes", Type: Long, Default: "-1", Min: -1, Max: math.MaxInt64, Doc: "Size of a partition above which its oldest segments go; -1: no bound."},
	{Name: "retention.ms", Type: Long, Default: "604800000", Min: -1, Max: math.MaxInt64, Doc: "Age above which segments go, by their newest timestamp; -1: no bound. The active segment goes too: an empty one takes its place."},
	{Name: "segment.bytes", Type: Int, Default: "1073741824", Min: 256, Max: math.MaxInt32, Doc: "Size at which a segment is full."},
	{Name: "segment.index.bytes", Type: Int, Default: "10485760", Min: 4, Max: math.MaxInt32, Doc: "Size of each index of a segment, set aside while it grows. When one is full, a new segment begins."},
	{Name: "segment.jitter.ms", Type: Long, Default: "0", Min: 0, Max: math.MaxInt64, Doc: "Most by which segment.ms is shortened, drawn for each segment, so that many partitions do not begin theirs at once."},
	{Name: "segment.ms", Type: Long, Default: "604800000", Min: 1, Max: math.MaxInt64, Doc: "Age at which a segment is full. A produce decides it, by the time from the segment's first batch to its own; without timestamps, from " +
		"the segment's beginning to now. Where nothing is produced no segment begins."},
	{Name: "unclean.leader.election.enable", Type: Bool, Default: "false", Doc: "Whether a replica that is not in sync may lead when none that is can: records may be lost."},
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
	IndexInterval int32
	IndexBytes    int32

	UncleanElection bool

	Compacted       bool // by Kafka, when the directory was its own: offsets are missing where records were
	SegmentJitterMs int64
}

// Durable reports whether a record counts only when it is fsynced.
func (t *Topic) Durable() bool { return t.FlushMessages == 1 }

func parseTopic(node *Node, entries []Entry) (values, error) {
	all := make([]Entry, 0, len(node.topicDefaults)+len(entries))
	return parse(TopicKeys, append(append(all, node.topicDefaults...), entries...))
}

// ParseTopic reads a topic's own entries over the node's defaults. The error names the key and what to do.
func ParseTopic(node *Node, entries []Entry) (Topic, error) {
	v, err := parseTopic(node, entries)
	if err != nil {
		return Topic{}, err
	}
	return Topic{
		UncleanElection: v.flag("unclean.leader.election.enable"),
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
		IndexInterval: int32(v.long("index.interval.bytes")),
		IndexBytes:    int32(v.long("segment.index.bytes")),

		SegmentJitterMs: v.long("segment.jitter.ms"),
	}, nil
}

// Ignored is a stored config that does not act, and why.
type Ignored struct {
	Entry
	Why string
}

// StoredTopic reads the entries of a topic that is there, whoever made it: each acts that can, the node's defaults hold for the rest, which are returned.
// Where compaction keeps a topic's records, retention must not delete them: a cleanup.policy without delete puts it out of force.
func StoredTopic(node *Node, entries []Entry) (Topic, []Ignored) {
	var acting []Entry
	var ignored []Ignored
	kept, compacted := false, false
	for _, e := range entries {
		policies := splitList(e.Value)
		compacted = compacted || e.Key == "cleanup.policy" && slices.Contains(policies, "compact")
		if e.Key == "cleanup.policy" && !slices.Contains(policies, "delete") {
			kept = true
		} else if e.Key == "cleanup.policy" && len(policies) == 1 {
			continue
		}
		if _, err := parse(TopicKeys, []Entry{e}); err == nil {
			acting = append(acting, e)
		} else if e.Key == "cleanup.policy" {
			ignored = append(ignored, Ignored{e, "does not act in this version"})
		} else {
			ignored = append(ignored, Ignored{e, err.Error()})
		}
	}
	t, err := ParseTopic(node, acting)
	t.Compacted = compacted
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

// CheckTopic reports what is wrong with the entries of a new topic: an unknown key (with the nearest one), a bad value, one that asks for what is not done, or
// two that contradict each other. A topic that is there may have such a pair, since the node's defaults change under it; nothing that reads them cares.
func CheckTopic(node *Node, entries []Entry) error {
	v, err := parseTopic(node, entries)
	if err != nil {
		return err
	}
	if low, high := v.long("min.compaction.lag.ms"), v.long("max.compaction.lag.ms"); low > high {
		return fmt.Errorf("min.compaction.lag.ms (%d) must not exceed max.compaction.lag.ms (%d)", low, high)
	}
	return nil
}
