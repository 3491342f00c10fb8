package api

import (
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// ProduceRequest is Produce, versions 3–11, after the connection has prepared every batch.
type ProduceRequest struct {
	TransactionalID string // "" for none
	Acks            int16  // 0 none, 1 leader, −1 all
	TimeoutMs       int32
	Partitions      []ProducePartition // in the order of the request
}

// ProducePartition is one partition's batch. Where Err is not None the batch was refused by record.Prepare and Batch is empty.
type ProducePartition struct {
	Topic     string
	TopicID   record.UUID // of the topic whose policy prepared the batch; zero if the topic was unknown
	Partition int32
	Err       errcode.Code
	Message   string        // what was wrong and what to do, for Err
	Errors    []RecordError // the offending records, for Err
	NoBatch   bool          // Err does not depend on the log: it comes before anything that does
	Batch     record.Batch
}

// RecordError names one offending record of a batch (KIP-467).
type RecordError = record.RecordError

// ProduceResponse answers a ProduceRequest, partition by partition in the request's order.
type ProduceResponse struct {
	Partitions []ProduceResult
	Nodes      []Node // that results name as CurrentLeader
}

// Node is a broker that clients can reach.
type Node struct {
	ID   record.NodeID
	Host string
	Port int32
	Rack *string
}

// ProduceResult is one partition's answer. LogAppendTime is NoTimestamp unless the topic stamps append time.
type ProduceResult struct {
	Topic         string
	Partition     int32
	Err           errcode.Code
	BaseOffset    record.Offset
	LogAppendTime record.UnixMillis
	LogStart      record.Offset
	Message       string
	Errors        []RecordError
	CurrentLeader record.NodeID // hint for Err NOT_LEADER_OR_FOLLOWER (KIP-951), else NoNode
	CurrentEpoch  record.Epoch
}

// Isolation is a fetch's isolation level.
type Isolation int8

// The isolation levels of Fetch and ListOffsets.
const (
	ReadUncommitted Isolation = 0
	ReadCommitted   Isolation = 1
)

// FetchRequest is Fetch, versions 4–18.
type FetchRequest struct {
	ReplicaID    record.NodeID // NoNode for a consumer
	ReplicaEpoch int64         // broker epoch of the replica (KIP-903); −1: a consumer, or a version below 15
	MaxWaitMs    int32
	MinBytes     int32
	MaxBytes     int32
	Isolation    Isolation
	SessionID    int32
	SessionEpoch int32
	Rack         string
	ByID         bool // topics are named by id (version 13 on)
	Partitions   []FetchPartition
	Forgotten    []FetchForgotten // of an incremental fetch: partitions that leave its session
}

// The session epochs that are no incremental fetch's (KIP-227).
const (
	FinalSessionEpoch   = -1 // no session: one that is named ends
	InitialSessionEpoch = 0  // a session is to be made
)

// FetchForgotten names a partition that an incremental fetch takes out of its session.
type FetchForgotten struct {
	Topic     string
	TopicID   record.UUID
	Partition int32
}

// FetchPartition is one partition asked for.
type FetchPartition struct {
	Topic            string
	TopicID          record.UUID
	Partition        int32
	CurrentEpoch     record.Epoch // leader epoch the client believes in; NoEpoch: not checked
	Offset           record.Offset
	LastFetchedEpoch record.Epoch
	LogStart         record.Offset
	MaxBytes         int32
}

// FetchResponse answers a FetchRequest. Its records are named by extents, never held.
type FetchResponse struct {
	Err        errcode.Code
	SessionID  int32
	ByID       bool
	Isolation  Isolation // of the request: with ReadCommitted there is a list of aborted transactions, if an empty one
	Follower   bool      // a replica asked
	Partitions []FetchResult
	Nodes      []Node // that results name as CurrentLeader
}

// FetchResult is one partition's answer.
type FetchResult struct {
	Topic         string
	TopicID       record.UUID
	Partition     int32
	Err           errcode.Code
	HighWatermark record.Offset
	LastStable    record.Offset
	LogStart      record.Offset
	CurrentLeader record.NodeID // hint for Err NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH, and in every answer of the metadata log; else NoNode
	CurrentEpoch  record.Epoch

	Diverges       bool // what the client fetched last is not in the log, which parts from it here
	DivergingEpoch record.Epoch
	DivergingEnd   record.Offset

	// Of the metadata log: what is below the log start is in this snapshot.
	HasSnapshot   bool
	SnapshotEnd   record.Offset
	SnapshotEpoch record.Epoch

	Extents []stream.Extent // consecutive; together whole batches
}

// Size is the number of record bytes that r names.
func (r *FetchResult) Size() int64 {
	var n int64
	for i := range r.Extents {
		n += int64(r.Extents[i].Len)
	}
	return n
}

// Reached is where a client reached us: it is told addresses of the same listener.
type Reached struct {
	Listener string
	Address  string // host:port
}
