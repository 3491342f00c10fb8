package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
)

// Instant is monotonic time in nanoseconds since some start of the node's own; it never falls.
type Instant int64

// UnixMillis is wall-clock time in milliseconds since 1970. It stamps records and decides nothing else.
type UnixMillis = record.UnixMillis

// Now is the time of a Step.
type Now struct {
	Mono Instant
	Wall UnixMillis
}

// Core and runtime call each other's things by number. Numbers are never reused within an incarnation.
type (
	ConnID uint64 // a connection
	JobID  uint64 // a Locate or Load
	CallID uint64 // a request to another node
)

// LoopbackConn is the connection of calls that a node makes to itself.
const LoopbackConn = ^ConnID(0)

// EventKind says which fields of an Event count.
type EventKind uint8

// The events of DESIGN §2.
const (
	EvBoot         EventKind = iota + 1 // Boot
	EvOpened                            // Stream, Opened
	EvRequest                           // Request
	EvWritten                           // Stream, Generation, UpTo: the written end
	EvDurable                           // Stream, Generation, UpTo: the durable end
	EvStored                            // Slot, Version
	EvLocated                           // Job, Located
	EvLoaded                            // Job, Loaded
	EvSpace                             // Dir, Free
	EvIOFailed                          // Dir, Stream, Reason
	EvConnClosed                        // Conn
	EvTimeout                           // nothing: time has passed
	EvCheckpointed                      // Stream, Generation, UpTo: recovery may begin there
	EvStop                              // nothing: end in order; Note stopped follows
	EvAnswered                          // Call, Answer
	EvTruncated                         // Stream, Generation, Opened: the log as recovery would find it; with Lost: nothing was cut, since the log is damaged below
	EvLeave                             // nothing: a Stop is to come, others may take over what this broker leads; Note left follows
)

// Event is one input of the core: plain data, printed by Append as one stable line. Two events are equal when their lines are.
type Event struct {
	Kind       EventKind
	Stream     stream.ID
	Generation stream.Generation
	UpTo       record.Offset // exclusive: the first offset that is not yet written or durable
	Slot       Slot
	Version    uint64
	Job        JobID
	Conn       ConnID
	Dir        stream.DirID
	Free       int64 // bytes
	Reason     string
	Boot       *Boot
	Opened     *Opened
	Request    *Request
	Located    *Located
	Loaded     *Loaded
	Call       CallID
	Answer     kmsg.Response  // of Call; nil: none will come. The core owns it and what it aliases, but for what lies in Frame
	Frame      record.FrameID // pooled buffer that the records in Answer alias
}

// Pooled returns the buffer that an event's batches alias, of which whoever brings the event has a reference; NoFrame: there is none. The core keeps nothing of it but
// what is in its Append effects.
func (ev *Event) Pooled() record.FrameID {
	if ev.Kind == EvRequest {
		return ev.Request.Frame
	}
	return ev.Frame
}

// Boot is what a new incarnation knows before anything else: identity, configuration, directories and the metadata quorum's state. Nothing in
// it grows with data: other streams arrive as Opened, the metadata records through Load.
type Boot struct {
	ClusterID   string
	NodeID      record.NodeID
	Incarnation record.UUID
	Seed        [32]byte
	Config      []KeyValue // the node's configuration, parsed by core/config
	Dirs        []Dir
	Absent      []string   // paths of the directories that are configured and given up already
	Streams     int        // how many Opened events follow
	QuorumState []byte     // the quorum-state file, nil if there is none
	Metadata    Opened     // the metadata log
	Snapshots   []Snapshot // of the metadata log, by rising end
	Bootstrap   bool       // bootstrap.checkpoint is there: what kafka-storage format wants a new cluster to begin with
}

// KeyValue is one configuration entry as it was given.
type KeyValue struct{ Key, Value string }

// Dir is one log directory.
type Dir struct {
	ID    record.UUID
	Path  string
	Clean bool  // the last stop was clean: no scan was needed
	Epoch int64 // Clean: of the broker that stopped
	Free  int64
	Total int64 // bytes of its file system; 0: unknown
}

// Opened is what recovery found of one stream. The written end is LogEnd; the durable end is not known better than Durable.
type Opened struct {
	Dir           stream.DirID
	Exists        bool // false: no folder (only for Boot.Metadata)
	Topic         string
	LogStart      record.Offset
	LogEnd        record.Offset
	Durable       record.Offset
	HighWatermark record.Offset // checkpointed; LogStart if unknown
	RecoveryPoint record.Offset // everything below needs no reading at the next start, apart from what is Lost
	Scanned       int64         // bytes of batches that recovery read
	Lost          []OffsetRange // offsets whose bytes are damaged: rising, apart from one another. They are below LogEnd
	Segments      []stream.Segment
	Epochs        []stream.EpochStart
	Producers     []producer.Entry
	Cut           int64  // bytes that recovery cut from the tail
	Damage        string // "" or why nothing of the stream can be served
}

// OffsetRange is the offsets from From up to but not including To.
type OffsetRange struct {
	From, To record.Offset
	Why      string // for people
	Gap      bool   // between two segments: in a compacted topic nothing is lost there
}

// Request is one request of a client, decoded and, where it carries batches, prepared by its connection.
type Request struct {
	Conn        ConnID
	Correlation int32
	Key         api.Key
	Version     int16
	ClientID    string
	Principal   string
	Listener    string
	Address     string              // host:port at which the client reached us: advertised where no listener says otherwise
	Frame       record.FrameID      // pooled buffer that Produce batches alias
	Produce     *api.ProduceRequest // Produce
	Fetch       *api.FetchRequest   // Fetch
	Body        kmsg.Request        // every other key
}

// Reached is where the client reached us.
func (r *Request) Reached() api.Reached { return api.Reached{Listener: r.Listener, Address: r.Address} }

// Located answers a Locate job, partition by partition in its order.
type Located struct {
	Partitions []LocatedPartition
}

// LocatedPartition is where the asked batches lie. Err is CORRUPT_MESSAGE, OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR, or None.
type LocatedPartition struct {
	Err     errcode.Code
	Extents []stream.Extent // by offset: consecutive whole batches, from the one that holds From, below Limit
	// By time: the first record whose timestamp is not below the asked one; NoOffset if there is none.
	Offset    record.Offset
	Timestamp record.UnixMillis
	Epoch     record.Epoch // leader epoch of the batch at Offset
}

// Loaded answers a Load job: whole batches, at most LoadBytes unless the first is larger. The bytes belong to the core. Empty: the end.
type Loaded struct {
	Err   errcode.Code
	Bytes []byte
}
