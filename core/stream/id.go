// Package stream is one log as the core sees it: its identity, its three ends, its epochs, the bytes at its tail, and the segments that
// hold it. Partitions and the metadata quorum are built on it.
package stream

import (
	"strconv"

	"odradek/core/record"
)

// ID names a stream: one replica's log of one partition. Topic ids are never reused, so neither are IDs.
type ID struct {
	Topic     record.UUID
	Partition int32
}

// MetadataTopic is the topic id of __cluster_metadata.
var MetadataTopic = record.UUID{15: 1}

// Metadata is the stream of the metadata log.
var Metadata = ID{Topic: MetadataTopic}

// MetadataName is the topic name of the metadata log.
const MetadataName = "__cluster_metadata"

// Append writes the printed form of id: the topic id's text, a dash, the partition.
func (id ID) Append(dst []byte) []byte {
	if id == Metadata {
		return append(dst, "metadata"...)
	}
	dst = id.Topic.Append(dst)
	dst = append(dst, '-')
	return strconv.AppendInt(dst, int64(id.Partition), 10)
}

// String returns what Append writes.
func (id ID) String() string { return string(id.Append(nil)) }

// Generation counts the cuts and role changes of a stream within one incarnation of the node. A completion that carries an older one is
// ignored: an offset alone may name bytes that were cut and written anew in between.
type Generation uint32

// DirID is the place of a log directory in the node's list log.dirs, from 0.
type DirID int32

// Pos is a byte position in a segment's file.
type Pos int64

// Extent names bytes of whole batches in one segment: the file is that of (Stream, Base). Who takes an extent out of the core's effects
// pins the open file before the next Step, so that deletion and truncation run under it harmlessly.
type Extent struct {
	Stream ID
	Base   record.Offset // base offset of the segment
	Pos    Pos
	Len    int32
}

// Append writes the printed form of x: stream/base@position+length.
func (x Extent) Append(dst []byte) []byte {
	dst = x.Stream.Append(dst)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, int64(x.Base), 10)
	dst = append(dst, '@')
	dst = strconv.AppendInt(dst, int64(x.Pos), 10)
	dst = append(dst, '+')
	return strconv.AppendInt(dst, int64(x.Len), 10)
}

// Segment is one file of a stream: its base offset and its size in bytes. The core's Size counts assigned bytes, written or not.
type Segment struct {
	Base         record.Offset
	Size         Pos
	MaxTimestamp record.UnixMillis // largest of its batches, NoTimestamp if empty

	// Of the active segment only, as recovery found it; the core keeps its own account from there on.
	FirstTimestamp record.UnixMillis // max timestamp of its first batch, NoTimestamp if it has none
	Index          Index
}

// EpochStart is an entry of the leader epoch cache: the first offset of an epoch.
type EpochStart struct {
	Epoch record.Epoch
	Start record.Offset
}
