package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"odradek/core/record"
)

// NodeKeys are the keys of a node that act: Kafka's own, and ours at the end.
var NodeKeys = []Key{
	{Name: "advertised.listeners", Type: List, Default: "", Doc: "What clients are told to connect to; empty: the address they reached us at."},
	{Name: "auto.create.topics.enable", Type: Bool, Default: "true", Doc: "Whether Metadata makes topics that do not exist."},
	{Name: "compression.type", Type: String, Default: "producer", Valid: compressions, Doc: "Default of the topic config."},
	{Name: "compression.gzip.level", Type: Int, Default: "-1", Min: -1, Max: 9, Doc: "Default of the topic config."},
	{Name: "compression.lz4.level", Type: Int, Default: "9", Min: 1, Max: 17, Doc: "Default of the topic config."},
	{Name: "compression.zstd.level", Type: Int, Default: "3", Min: -131072, Max: 22, Doc: "Default of the topic config."},
	{Name: "connections.max.idle.ms", Type: Long, Default: "600000", Min: 1, Max: math.MaxInt64, Doc: "Silence after which a connection is closed."},
	{Name: "default.replication.factor", Type: Int, Default: "1", Min: 1, Max: math.MaxInt16, Doc: "Replicas of a topic made without a number."},
	{Name: "fetch.max.bytes", Type: Int, Default: "57671680", Min: 1024, Max: math.MaxInt32, Doc: "Most record bytes of one Fetch reply."},
	{Name: "listeners", Type: List, Default: "PLAINTEXT://127.0.0.1:9092", Doc: "Addresses to listen on."},
	{Name: "log.cleaner.delete.retention.ms", Type: Long, Default: "86400000", Min: 0, Max: math.MaxInt64, Doc: "Default of delete.retention.ms."},
	{Name: "log.cleaner.max.compaction.lag.ms", Type: Long, Default: "9223372036854775807", Min: 1, Max: math.MaxInt64, Doc: "Default of max.compaction.lag.ms."},
	{Name: "log.cleaner.min.cleanable.ratio", Type: Double, Default: "0.5", Doc: "Default of min.cleanable.dirty.ratio."},
	{Name: "log.cleaner.min.compaction.lag.ms", Type: Long, Default: "0", Min: 0, Max: math.MaxInt64, Doc: "Default of min.compaction.lag.ms."},
	{Name: "log.cleanup.policy", Type: List, Default: "delete", Fixed: "compaction is not served yet", Doc: "Default of cleanup.policy."},
	{Name: "log.dir", Type: String, Default: "", Doc: "The log directory, if log.dirs is not set."},
	{Name: "log.dirs", Type: List, Default: "", Doc: "Log directories, separated by commas; the first holds the metadata log."},
	{Name: "log.flush.interval.messages", Type: Long, Default: "1", Min: 1, Max: math.MaxInt64, Doc: "Default of flush.messages: 1 fsyncs before acknowledging."},
	{Name: "log.flush.interval.ms", Type: Long, Default: "9223372036854775807", Min: 0, Max: math.MaxInt64, Doc: "Default of flush.ms."},
	{Name: "log.flush.offset.checkpoint.interval.ms", Type: Int, Default: "60000", Min: 1, Max: math.MaxInt32, Doc: "How often recovery points move: what lies above them is read at a start after a crash."},
	{Name: "log.index.interval.bytes", Type: Int, Default: "4096", Min: 0, Max: math.MaxInt32, Doc: "Default of index.interval.bytes."},
	{Name: "log.index.size.max.bytes", Type: Int, Default: "10485760", Min: 4, Max: math.MaxInt32, Doc: "Default of segment.index.bytes."},
	{Name: "log.message.timestamp.after.max.ms", Type: Long, Default: "3600000", Min: 0, Max: math.MaxInt64, Doc: "Default of the topic config."},
	{Name: "log.message.timestamp.before.max.ms", Type: Long, Default: "9223372036854775807", Min: 0, Max: math.MaxInt64, Doc: "Default of the topic config."},
	{Name: "log.message.timestamp.type", Type: String, Default: "CreateTime", Valid: []string{"CreateTime", "LogAppendTime"}, Doc: "Default of the topic config."},
	{Name: "log.preallocate", Type: Bool, Default: "false", Fixed: "a segment's file is as long as its data", Doc: "Default of preallocate."},
	{Name: "log.retention.bytes", Type: Long, Default: "-1", Min: -1, Max: math.MaxInt64, Doc: "Default of retention.bytes."},
	{Name: "log.retention.check.interval.ms", Type: Long, Default: "300000", Min: 1, Max: math.MaxInt64, Doc: "How often retention looks for segments to delete."},
	{Name: "log.retention.ms", Type: Long, Default: "604800000", Min: -1, Max: math.MaxInt64, Doc: "Default of retention.ms."},
	{Name: "log.roll.jitter.ms", Type: Long, Default: "0", Min: 0, Max: math.MaxInt64, Doc: "Default of segment.jitter.ms."},
	{Name: "log.roll.ms", Type: Long, Default: "604800000", Min: 1, Max: math.MaxInt64, Doc: "Default of segment.ms."},
	{Name: "log.segment.bytes", Type: Int, Default: "1073741824", Min: 256, Max: math.MaxInt32, Doc: "Default of segment.bytes."},
	{Name: "log.segment.delete.delay.ms", Type: Long, Default: "0", Min: 0, Max: math.MaxInt64,
		Fixed: "deleted segments leave the disk at once, and readers keep what they have open", Doc: "Default of file.delete.delay.ms."},
	{Name: "max.connection.creation.rate", Type: Int, Default: "2147483647", Min: 1, Max: math.MaxInt32, Doc: "Most new connections in a second; more wait."},
	{Name: "max.connections", Type: Int, Default: "2147483647", Min: 1, Max: math.MaxInt32, Doc: "Most connections in all; never more than the limit of open files leaves."},
	{Name: "max.connections.per.ip", Type: Int, Default: "2147483647", Min: 0, Max: math.MaxInt32, Doc: "Most connections from one address."},
	{Name: "max.connections.per.ip.overrides", Type: List, Default: "", Doc: "Most connections from these addresses, as in 10.0.0.7:200,loader.example:1000."},
	{Name: "max.incremental.fetch.session.cache.slots", Type: Int, Default: "1000", Min: 0, Max: math.MaxInt32, Doc: "Most fetch sessions; a client that gets none asks for all of its partitions each time."},
	{Name: "message.max.bytes", Type: Int, Default: "1048588", Min: 0, Max: math.MaxInt32, Doc: "Default of max.message.bytes."},
	{Name: "metadata.log.max.record.bytes.between.snapshots", Type: Long, Default: "20971520", Min: 1, Max: math.MaxInt64, Doc: "Bytes of metadata log after which a snapshot is written."},
	{Name: "metadata.log.max.snapshot.interval.ms", Type: Long, Default: "3600000", Min: 0, Max: math.MaxInt64, Doc: "Time after which a snapshot is written if anything changed; 0: none by time."},
	{Name: "metadata.log.segment.bytes", Type: Int, Default: "1073741824", Min: 256, Max: math.MaxInt32, Doc: "Size at which a segment of the metadata log is full."},
	{Name: "metadata.log.segment.ms", Type: Long, Default: "604800000", Min: 1, Max: math.MaxInt64, Doc: "Age at which a segment of the metadata log is full."},
	{Name: "metadata.max.retention.bytes", Type: Long, Default: "104857600", Min: -1, Max: math.MaxInt64, Doc: "Size of metadata log and snapshots above which the oldest snapshot goes, and the log below the next; -1: no bound."},
	{Name: "metadata.max.retention.ms", Type: Long, Default: "604800000", Min: -1, Max: math.MaxInt64, Doc: "Age above which snapshots go, while a newer one is there; -1: no bound."},
	{Name: "min.insync.replicas", Type: Int, Default: "1", Min: 1, Max: math.MaxInt32, Doc: "Default of the topic config."},
	{Name: "node.id", Type: Int, Default: "1", Min: 0, Max: math.MaxInt32, Doc: "This node's number."},
	{Name: "num.partitions", Type: Int, Default: "1", Min: 1, Max: math.MaxInt32, Doc: "Partitions of a topic made without a number."},
	{Name: "process.roles", Type: List, Default: "broker,controller", Valid: nil, Doc: "What this node is; only broker,controller for now."},
	{Name: "producer.id.expiration.ms", Type: Int, Default: "86400000", Min: 1, Max: math.MaxInt32, Doc: "Silence after which a producer id is forgotten."},
	{Name: "queued.max.request.bytes", Type: Long, Default: "268435456", Min: -1, Max: math.MaxInt64, Doc: "Bytes of requests held in memory before reading stops."},
	{Name: "replica.high.watermark.checkpoint.interval.ms", Type: Long, Default: "5000", Min: 1, Max: math.MaxInt64, Doc: "How often high watermarks are written to their file."},
	{Name: "socket.request.max.bytes", Type: Int, Default: "104857600", Min: 1, Max: math.MaxInt32, Doc: "Largest request."},
	{Name: "unclean.leader.election.enable", Type: Bool, Default: "false", Doc: "Default of the topic config."},
	{Name: "admin.listener", Type: String, Default: "127.0.0.1:9644", Doc: "Address of /livez, /readyz, /metrics; empty: none."},
}

// topicSynonyms are the node's keys that give topic configs their defaults (Kafka's ServerTopicConfigSynonyms).
var topicSynonyms = [][2]string{
	{"cleanup.policy", "log.cleanup.policy"},
	{"compression.gzip.level", "compression.gzip.level"},
	{"compression.lz4.level", "compression.lz4.level"},
	{"compression.type", "compression.type"},
	{"compression.zstd.level", "compression.zstd.level"},
	{"delete.retention.ms", "log.cleaner.delete.retention.ms"},
	{"file.delete.delay.ms", "log.segment.delete.delay.ms"},
	{"flush.messages", "log.flush.interval.messages"},
	{"flush.ms", "log.flush.interval.ms"},
	{"index.interval.bytes", "log.index.interval.bytes"},
	{"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
	{"max.message.bytes", "message.max.bytes"},
	{"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"},
	{"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"},
	{"message.timestamp.type", "log.message.timestamp.type"},
	{"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
	{"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
	{"min.insync.replicas", "min.insync.replicas"},
	{"preallocate", "log.preallocate"},
	{"retention.bytes", "log.retention.bytes"},
	{"retention.ms", "log.retention.ms"},
	{"segment.bytes", "log.segment.bytes"},
	{"segment.index.bytes", "log.index.size.max.bytes"},
	{"segment.jitter.ms", "log.roll.jitter.ms"},
	{"segment.ms", "log.roll.ms"},
	{"unclean.leader.election.enable", "unclean.leader.election.enable"},
}

// Listener is one address: of listeners, or of advertised.listeners.
type Listener struct {
	Name string
	Host string
	Port int32
}

// Metadata is what holds for the metadata log.
type Metadata struct {
	SnapshotBytes  int64 // of log between snapshots
	SnapshotMs     int64 // between snapshots; 0: no matter
	SegmentBytes   int32
	SegmentMs      int64
	RetentionBytes int64
	RetentionMs    int64
}

// Node is a node's configuration.
type Node struct {
	NodeID               record.NodeID
	Listeners            []Listener
	Advertised           []Listener // empty: the address the client reached us at
	LogDirs              []string
	AutoCreateTopics     bool
	NumPartitions        int32
	ReplicationFactor    int16
	FetchMaxBytes        int32
	RequestMaxBytes      int32
	QueuedMaxBytes       int64
	MaxConnections       int
	MaxConnectionsPerIP  int
	PerIP                []HostLimit // max.connections.per.ip.overrides
	ConnectionRate       int         // max.connection.creation.rate
	MaxIdleMs            int64
	FetchSessions        int // max.incremental.fetch.session.cache.slots
	ProducerExpirationMs int64
	RetentionCheckMs     int64
	RecoveryPointMs      int64 // log.flush.offset.checkpoint.interval.ms
	HighWatermarkMs      int64 // replica.high.watermark.checkpoint.interval.ms
	AdminListener        string
	Metadata             Metadata
	Topic                Topic // what a topic without entries of its own gets

	topicDefaults []Entry
	given         []Entry // as ParseNode got them
	dynamic       dynamic // as At found it
}

// ParseNode reads a node's entries. A later entry of a key wins over an earlier one. The error names the key and what to do.
func ParseNode(entries []Entry) (*Node, error) {
	v, err := parse(NodeKeys, entries)
	if err != nil {
		return nil, err
	}
	n := &Node{
		given:                entries,
		NodeID:               record.NodeID(v.long("node.id")),
		AutoCreateTopics:     v.flag("auto.create.topics.enable"),
		NumPartitions:        int32(v.long("num.partitions")),
		ReplicationFactor:    int16(v.long("default.replication.factor")),
		FetchMaxBytes:        int32(v.long("fetch.max.bytes")),
		RequestMaxBytes:      int32(v.long("socket.request.max.bytes")),
		QueuedMaxBytes:       v.long("queued.max.request.bytes"),
		MaxConnections:       int(v.long("max.connections")),
		MaxConnectionsPerIP:  int(v.long("max.connections.per.ip")),
		ConnectionRate:       int(v.long("max.connection.creation.rate")),
		MaxIdleMs:            v.long("connections.max.idle.ms"),
		FetchSessions:        int(v.long("max.incremental.fetch.session.cache.slots")),
		ProducerExpirationMs: v.long("producer.id.expiration.ms"),
		RetentionCheckMs:     v.long("log.retention.check.interval.ms"),
		RecoveryPointMs:      v.long("log.flush.offset.checkpoint.interval.ms"),
		HighWatermarkMs:      v.long("replica.high.watermark.checkpoint.interval.ms"),
		AdminListener:        v.text("admin.listener"),
		Metadata: Metadata{
			SnapshotBytes:  v.long("metadata.log.max.record.bytes.between.snapshots"),
			SnapshotMs:     v.long("metadata.log.max.snapshot.interval.ms"),
			SegmentBytes:   int32(v.long("metadata.log.segment.bytes")),
			SegmentMs:      v.long("metadata.log.segment.ms"),
			RetentionBytes: v.long("metadata.max.retention.bytes"),
			RetentionMs:    v.long("metadata.max.retention.ms"),
		},
	}
	if roles := v.text("process.roles"); roles != "broker,controller" && roles != "controller,broker" {
		return nil, fmt.Errorf("process.roles=%s is not served yet: leave it out or set broker,controller", roles)
	}
	if n.LogDirs = splitList(v.text("log.dirs")); len(n.LogDirs) == 0 {
		n.LogDirs = splitList(v.text("log.dir"))
	}
	if n.Listeners, err = parseListeners("listeners", v.text("listeners")); err != nil {
		return nil, err
	}
	if len(n.Listeners) == 0 {
		return nil, fmt.Errorf("listeners is empty: name at least one address, such as PLAINTEXT://127.0.0.1:9092")
	}
	if n.PerIP, err = parseHostLimits("max.connections.per.ip.overrides", v.text("max.connections.per.ip.overrides")); err != nil {
		return nil, err
	}
	if n.Advertised, err = parseListeners("advertised.listeners", v.text("advertised.listeners")); err != nil {
		return nil, err
	}
	for _, s := range topicSynonyms {
		n.topicDefaults = append(n.topicDefaults, Entry{s[0], v.text(s[1])})
	}
	if err := CheckTopic(n, nil); err != nil {
		return nil, err
	}
	n.Topic, err = ParseTopic(n, nil)
	return n, err
}

// HostLimit is a number of connections for an address, or for the addresses of a name.
type HostLimit struct {
	Host string
	Most int
}

func parseHostLimits(key, s string) ([]HostLimit, error) {
	var out []HostLimit
	for _, part := range splitList(s) {
		colon := strings.LastIndexByte(part, ':') // an IPv6 address has colons of its own
		if colon <= 0 {
			return nil, fmt.Errorf("%s: %q is not HOST:NUMBER, such as 10.0.0.7:200", key, part)
		}
		most, err := strconv.ParseUint(part[colon+1:], 10, 31)
		if err != nil {
			return nil, fmt.Errorf("%s: the number of %q must be one from 0 to %d", key, part, math.MaxInt32)
		}
		out = append(out, HostLimit{Host: strings.Trim(part[:colon], "[]"), Most: int(most)})
	}
	return out, nil
}

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func parseListeners(key, s string) ([]Listener, error) {
	var out []Listener
	for _, part := range splitList(s) {
		name, address, ok := strings.Cut(part, "://")
		colon := strings.LastIndexByte(address, ':')
		if !ok || colon < 0 {
			return nil, fmt.Errorf("%s: %q is not NAME://HOST:PORT, such as PLAINTEXT://127.0.0.1:9092", key, part)
		}
		port, err := strconv.ParseUint(address[colon+1:], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s: the port of %q must be a number from 0 to 65535", key, part)
		}
		if name != "PLAINTEXT" {
			return nil, fmt.Errorf("%s: %q asks for %s, but only PLAINTEXT is served yet", key, part, name)
		}
		host := strings.Trim(address[:colon], "[]")
		out = append(out, Listener{Name: name, Host: host, Port: int32(port)})
	}
	return out, nil
}
