package core

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/image"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
)

// Effects is what Steps want done. Step appends, whoever carries the effects out calls Reset. All of it may be carried out at once and in any
// order, but for these (DESIGN §2.1): Disk is FIFO per stream, Stores per slot, Replies per connection, Calls per node and lane; Publish is seen before any Reply of
// the same or a later Step; extents of Replies are pinned before the next Step. Effects are plain data.
type Effects struct {
	Publish *image.Image // nil: nothing new
	Disk    []DiskOp
	Stores  []Store
	Jobs    []Job
	Replies []Reply
	Calls   []Call
	Notes   []Note
	Halts   []Halt
}

// Reset empties fx for reuse; what it named is forgotten, not changed.
func (fx *Effects) Reset() {
	clear(fx.Disk)
	clear(fx.Stores)
	clear(fx.Jobs)
	clear(fx.Replies)
	clear(fx.Calls)
	clear(fx.Notes)
	clear(fx.Halts)
	*fx = Effects{Disk: fx.Disk[:0], Stores: fx.Stores[:0], Jobs: fx.Jobs[:0], Replies: fx.Replies[:0], Calls: fx.Calls[:0], Notes: fx.Notes[:0], Halts: fx.Halts[:0]}
}

// DiskKind says which fields of a DiskOp count.
type DiskKind uint8

// The disk effects of DESIGN §2.
const (
	DiskCreate     DiskKind = iota + 1 // Dir, Topic: a folder and its partition.metadata, synced
	DiskAppend                         // Generation, Batch, Sync, Index: completes with Written and, if Sync, Durable
	DiskSync                           // Generation: completes with Durable up to what was written before it
	DiskTruncate                       // Generation, To: drops offsets from To on; or All: everything, the log begins at Base. Synced; completes with Truncated
	DiskRoll                           // Base, State, Index: a segment of that base offset begins; State is what lies below Base
	DiskDelete                         // To: segments wholly below To; or All: the stream
	DiskCheckpoint                     // Generation, State, Close: a Sync after which recovery may begin here; completes with Durable and Checkpointed
)

// LogState is what recovery cannot tell without reading a log: its producers and epochs as they are at some offset. The op owns it.
type LogState struct {
	Producers []producer.Entry
	Epochs    []stream.EpochStart
}

// DiskOp is one disk effect of a stream. FIFO per stream, across Steps.
type DiskOp struct {
	Kind       DiskKind
	Stream     stream.ID
	Generation stream.Generation
	Dir        stream.DirID
	Topic      string
	Batch      record.Batch
	Sync       bool
	Base       record.Offset
	To         record.Offset
	All        bool
	State      *LogState
	Index      stream.IndexLimits // Append, Roll: how the segment is indexed
	Close      bool               // Checkpoint: nothing is appended any more, indexes get their final entries
	Copied     bool               // Append: from the leader, for no client
	Aside      []OffsetRange      // Truncate: segments that hold these are damaged; their files stay, under another name
}

// Slot names one small file: a path below a log directory.
type Slot struct {
	Dir  stream.DirID
	Name string
}

// Store replaces the file of a slot atomically: write aside, fsync, rename, fsync the directory. Or, with Remove, it removes it, durably; a file that is not
// there is removed already. It completes with Stored(slot, version).
type Store struct {
	Slot    Slot
	Version uint64
	Bytes   []byte
	Remove  bool
}

// JobKind says which fields of a Job count.
type JobKind uint8

// The jobs. Each completes exactly once, in any order.
const (
	JobLocate JobKind = iota + 1 // Locate, Budget: completes with Located
	JobLoad                      // Stream, From; or Slot, Pos: completes with Loaded
)

// LoadBytes is the size of a piece that a Load brings.
const LoadBytes = 64 << 10

// Job is a read of stored bytes.
type Job struct {
	Kind   JobKind
	ID     JobID
	Locate []LocatePartition
	Budget int64 // bytes over all partitions of a Locate; the first batch of all is given whole whatever its size
	Stream stream.ID
	From   record.Offset
	Slot   Slot  // of batches; without a name: none
	Pos    int64 // in the slot's file: where a batch begins
}

// LocatePartition asks for the batches of one partition from an offset on, or for the first record at or after a time.
type LocatePartition struct {
	Stream    stream.ID
	From      record.Offset
	Limit     record.Offset // exclusive: no extent holds a batch at or beyond it
	MaxBytes  int32
	ByTime    bool
	Timestamp record.UnixMillis // ByTime
}

// Reply answers one request. It owns all that it names. The connection sends replies in the order of requests.
type Reply struct {
	Conn        ConnID
	Correlation int32
	Key         api.Key
	ThrottleMs  int32
	Produce     *api.ProduceResponse
	Fetch       *api.FetchResponse
	Body        kmsg.Response // every other key; its version is set by the connection
}

// Lane is one of the connections to another node: what waits on one does not hold up the others.
type Lane uint8

// The lanes.
const (
	LaneQuorum  Lane = iota + 1 // votes, and fetches of metadata
	LaneControl                 // registration, heartbeats, changes of ISRs
	LaneForward                 // requests of clients that the active controller decides: one that waits for its commit holds no heartbeat up
	LaneFetch                   // fetches of records into the first log directory; LaneFetch+1 into the second, and so on
)

// String returns the lane's word.
func (l Lane) String() string {
	if l > LaneFetch {
		return "fetch-" + strconv.Itoa(int(l-LaneFetch))
	}
	return [...]string{"?", "quorum", "control", "forward", "fetch"}[l]
}

// Call is a request to another node, or to this one. It completes with Answered, exactly once: without an answer if the connection cannot be made or breaks, or
// the answer does not come in TimeoutMs. Calls of one node and lane go out in order, one at a time.
type Call struct {
	ID        CallID
	Node      record.NodeID
	Addr      string // host:port
	Lane      Lane
	TimeoutMs int32
	Body      kmsg.Request // with its version; owned by the call
}

// NoteKind names a change of state that operators are told of.
type NoteKind string

// The notes.
const (
	NoteReady   NoteKind = "ready"   // the broker is unfenced: it serves
	NoteLeft    NoteKind = "left"    // nobody relies on this broker any more
	NoteStopped NoteKind = "stopped" // a Stop is carried out: the process may end

	NoteFenced              NoteKind = "fenced"               // the active controller has not heard of a broker for too long
	NoteRegistrationRefused NoteKind = "registration-refused" // by the active controller

	NoteTopicCreated      NoteKind = "topic-created"
	NoteTopicDeleted      NoteKind = "topic-deleted"
	NotePartitionsCreated NoteKind = "partitions-created"
	NoteLeaderChanged     NoteKind = "leader-changed" // of partitions; -1 is none
	NoteConfigChanged     NoteKind = "config-changed"
	NoteSegmentsDeleted   NoteKind = "segments-deleted" // by retention
	NoteDiskFull          NoteKind = "disk-full"        // clients' records are refused
	NoteDiskRoom          NoteKind = "disk-room"        // they are taken again

	NoteDamaged         NoteKind = "damaged"              // offsets of a log are lost; they answer CORRUPT_MESSAGE
	NoteLogCut          NoteKind = "log-cut"              // recovery cut the tail of a log: an interrupted write
	NoteStrayDeleted    NoteKind = "stray-deleted"        // a folder of a topic that is deleted
	NoteConfigIgnored   NoteKind = "topic-config-ignored" // stored configs of a topic do not act; for each the node's default holds
	NoteUnclean         NoteKind = "unclean-election"     // the last known leader leads, though it may lack records
	NoteBadSnapshot     NoteKind = "snapshot-damaged"     // a metadata snapshot cannot be read; the one before it and the log serve
	NoteNotTakenOver    NoteKind = "not-taken-over"       // what Kafka kept in this directory and this node does not act on
	NoteFetchRefused    NoteKind = "fetch-refused"        // what a leader sent is not taken: it is damaged, or does not fit
	NoteSnapshotFetched NoteKind = "snapshot-fetched"     // the metadata log of the leader begins above this node's end: its snapshot is taken
	NoteCommittedCut    NoteKind = "committed-cut"        // a leader lacks records that were committed: an unclean election
	NoteDamagedCopied   NoteKind = "damaged-copied"       // a damaged replica is emptied, and copied anew from its leader
	NoteUnprotected     NoteKind = "access-not-enforced"  // stored ACLs or credentials protect nothing here
)

// Note is one line of the operators' log: a change of state.
type Note struct {
	Kind   NoteKind
	Fields []KeyValue
}

// HaltScope says what must stop: one stream, one log directory, or the node.
type HaltScope uint8

// The scopes of Halt.
const (
	HaltStream HaltScope = iota + 1
	HaltDir
	HaltNode
)

// String returns the scope's word.
func (s HaltScope) String() string { return [...]string{"?", "stream", "dir", "node"}[s] }

// Halt says that an invariant broke or a disk failed, and what is given up for it.
type Halt struct {
	Scope  HaltScope
	Stream stream.ID
	Dir    stream.DirID
	Reason string
}
