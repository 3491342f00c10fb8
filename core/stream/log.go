package stream

import (
	"math"

	"odradek/core/record"
)

// RollLimits say when an active segment is full: segment.bytes and segment.ms.
type RollLimits struct {
	Bytes int32
	Ms    int64
}

// Log is a stream as the core keeps it. It assigns offsets and decides rolls; the disk follows.
type Log struct {
	ID  ID
	Dir DirID
	Ends
	Epochs Epochs
	Ring   Ring

	segments []Segment         // Invariant: rising bases; the last is active
	first    record.UnixMillis // max timestamp of the active segment's first batch, NoTimestamp if none
}

// NewLog returns the log that recovery found: its written end is its log end.
func NewLog(id ID, dir DirID, start, end, durable record.Offset, segments []Segment, epochs []EpochStart) Log {
	l := Log{ID: id, Dir: dir, Epochs: NewEpochs(epochs), first: record.NoTimestamp}
	l.Ends = Ends{Start: start, Log: end, Written: end, Durable: min(durable, end)}
	l.segments = append(l.segments, segments...)
	if n := len(l.segments); n > 0 {
		l.first = l.segments[n-1].MaxTimestamp
	}
	return l
}

// Append assigns the batch its offset and leader epoch at the log end. rolled says that a new segment begins with it: the disk must be told to Roll
// to the batch's base offset before it appends.
func (l *Log) Append(b *record.Batch, epoch record.Epoch, limits RollLimits) (rolled bool) {
	b.BaseOffset, b.LeaderEpoch = l.Log, epoch
	if l.full(b, limits) {
		l.segments = append(l.segments, Segment{Base: b.BaseOffset, MaxTimestamp: record.NoTimestamp})
		l.first = record.NoTimestamp
		rolled = true
	}
	if l.first == record.NoTimestamp {
		l.first = b.MaxTimestamp
	}
	active := &l.segments[len(l.segments)-1]
	l.Ring.Push(b, active.Base, active.Size)
	active.Size += Pos(b.Size)
	active.MaxTimestamp = max(active.MaxTimestamp, b.MaxTimestamp)
	l.Epochs.Assign(epoch, b.BaseOffset)
	l.Log = b.NextOffset()
	return rolled
}

// full reports whether b must begin a new segment. Offsets of a segment are stored relative to its base in 32 bits (KAFKA-6264).
func (l *Log) full(b *record.Batch, limits RollLimits) bool {
	if len(l.segments) == 0 {
		return true
	}
	active := &l.segments[len(l.segments)-1]
	if b.LastOffset()-active.Base > math.MaxInt32 {
		return true
	}
	if active.Size == 0 {
		return false
	}
	if int64(active.Size)+int64(b.Size) > int64(limits.Bytes) {
		return true
	}
	return limits.Ms > 0 && l.first != record.NoTimestamp && b.MaxTimestamp != record.NoTimestamp &&
		int64(b.MaxTimestamp)-int64(l.first) > limits.Ms
}

// NewGeneration begins a generation: the role changed. Completions of the one before are ignored from here on; the Sync that must follow is FIFO behind
// the appends in flight, so its completion covers them.
func (l *Log) NewGeneration() Generation {
	l.Generation++
	return l.Generation
}

// Segments returns the segments; the caller must not change them.
func (l *Log) Segments() []Segment { return l.segments }
