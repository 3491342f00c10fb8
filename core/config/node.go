package config

import (
	"strings"

	"odradek/core/record"
)

// Metadata is what holds for the metadata log.
type Metadata struct {
	SnapshotBytes  int64 // of log between snapshots
	SnapshotMs     int64 // between snapshots; 0: no matter
	SegmentBytes   int32
	SegmentMs      int64
	RetentionBytes int64
	RetentionMs    int64
}

// Quorum is what holds among the controllers.
type Quorum struct {
	Voters        []Voter // rising ids; never empty
	ElectionMs    int64
	FetchMs       int64
	BackoffMs     int64
	RetryMs       int64
	FetchMaxBytes int32
}

// Voter is one controller of controller.quorum.voters. Host is empty where the node is the only one and needs no address.
type Voter struct {
	ID   record.NodeID
	Host string
	Port int32
}

// Replication is what holds among the replicas of partitions, and between brokers and controller.
type Replication struct {
	HeartbeatMs      int64 // broker.heartbeat.interval.ms
	SessionMs        int64 // broker.session.timeout.ms
	LagMs            int64 // replica.lag.time.max.ms
	WaitMs           int32 // replica.fetch.wait.max.ms
	MinBytes         int32 // replica.fetch.min.bytes
	MaxBytes         int32 // replica.fetch.max.bytes
	ResponseMaxBytes int32 // replica.fetch.response.max.bytes
	BackoffMs        int64 // replica.fetch.backoff.ms
	Rebalance        bool  // auto.leader.rebalance.enable
	RebalanceSeconds int64 // leader.imbalance.check.interval.seconds
}

// Node is a node's configuration.
type Node struct {
	NodeID               record.NodeID
	Broker, Controller   bool // process.roles
	Quorum               Quorum
	Replication          Replication
	Listeners            []Listener // of clients and brokers
	Controllers          []Listener // of listeners, those of the controller
	InterBroker          string     // name of the listener that brokers use among themselves
	Advertised           []Listener // empty: the address the client reached us at
	LogDirs              []string
	Rack                 string // empty: none
	AutoCreateTopics     bool
	DeleteTopics         bool // delete.topic.enable
	NumPartitions        int32
	ReplicationFactor    int16
	FetchMaxBytes        int32
	RequestMaxBytes      int32
	SocketReceive        int // socket.receive.buffer.bytes; -1: as the system sizes it
	SocketSend           int // socket.send.buffer.bytes, likewise
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
	acting := make([]Entry, 0, len(entries))
	for _, e := range entries {
		k, acts := Known(e.Key)
		switch {
		case k == nil:
			return nil, unknown(e.Key)
		case acts:
			acting = append(acting, e)
		default:
			if err := k.Check(e.Value); err != nil && e.Value != "" {
				return nil, &KeyError{e.Key, err}
			}
		}
	}
	v, err := parse(NodeKeys, acting)
	if err != nil {
		return nil, err
	}
	n := &Node{
		given:                entries,
		NodeID:               record.NodeID(v.long("node.id")),
		Rack:                 v.text("broker.rack"),
		DeleteTopics:         v.flag("delete.topic.enable"),
		AutoCreateTopics:     v.flag("auto.create.topics.enable"),
		NumPartitions:        int32(v.long("num.partitions")),
		ReplicationFactor:    int16(v.long("default.replication.factor")),
		FetchMaxBytes:        int32(v.long("fetch.max.bytes")),
		RequestMaxBytes:      int32(v.long("socket.request.max.bytes")),
		SocketReceive:        int(v.long("socket.receive.buffer.bytes")),
		SocketSend:           int(v.long("socket.send.buffer.bytes")),
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
	n.replicate(&v)
	if err := n.identify(&v); err != nil {
		return nil, err
	}
	if err := n.listen(&v); err != nil {
		return nil, err
	}
	n.topicDefaults = n.defaults()
	if err := CheckTopic(n, nil); err != nil {
		return nil, err
	}
	n.Topic, err = ParseTopic(n, nil)
	return n, err
}

// identify sets who the node is and where its data lie.
func (n *Node) identify(v *values) error {
	for _, role := range splitList(v.text("process.roles")) {
		switch role {
		case "broker":
			n.Broker = true
		case "controller":
			n.Controller = true
		default:
			return wrong("process.roles", "process.roles: %q is neither broker nor controller", role)
		}
	}
	if !n.Broker && !n.Controller {
		return wrong("process.roles", "process.roles is empty: name broker, controller or both")
	}
	if old := v.long("broker.id"); old >= 0 {
		if _, ok := v.set["node.id"]; ok && old != v.long("node.id") {
			return wrong("broker.id", "broker.id=%d and node.id=%d are two names of one number: leave broker.id out", old, v.long("node.id"))
		}
		n.NodeID = record.NodeID(old)
	}
	if err := n.setVoters(v.text("controller.quorum.voters")); err != nil {
		return err
	}
	if n.LogDirs = splitList(v.text("log.dirs")); len(n.LogDirs) == 0 {
		n.LogDirs = splitList(v.text("log.dir"))
	}
	if dir := v.text("metadata.log.dir"); dir != "" && (len(n.LogDirs) == 0 || n.LogDirs[0] != dir) {
		return wrong("metadata.log.dir", "metadata.log.dir=%s is not the first of log.dirs: the metadata log lies there, name it first", dir)
	}
	return nil
}

// defaults are what topics get, each from the key that gives it.
func (n *Node) defaults() []Entry {
	out := make([]Entry, 0, len(topicSynonyms))
	for _, s := range topicSynonyms {
		k, _ := Find(NodeKeys, s[1])
		out = append(out, Entry{s[0], n.synonyms(k)[0].acting()})
	}
	return out
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
