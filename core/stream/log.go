package stream

import (
	"math"

	"odradek/core/record"
)

// RollLimits say when an active segment is full: segment.bytes, segment.ms, segment.index.bytes.
type RollLimits struct {
	Bytes int32
	Ms    int64
	Index IndexLimits
}

// Log is a stream as the core keeps it. It assigns offsets and decides rolls; the disk follows.
type Log struct {
	ID  ID
	Dir DirID
	Ends
	Epochs Epochs
	Ring   Ring

	segments []Segment         // Invariant: rising bases; the last is active
	first    record.UnixMillis // max timestamp of the active segment's first batch, NoTimestamp if it has none or there is no batch
	created  record.UnixMillis // when the active segment began, or was first looked at after a start; NoTimestamp: not looked at yet
	jitter   int64             // ms that segment.ms is shorter for the active segment
	index    IndexLimits       // of the active segment, as long as it grows; zero: not known yet, or the disk's own
}

// NewLog returns the log that recovery found: its written end is its log end.
func NewLog(id ID, dir DirID, start, end, durable record.Offset, segments []Segment, epochs []EpochStart) Log {
	l := Log{ID: id, Dir: dir, Epochs: NewEpochs(epochs), first: record.NoTimestamp, created: record.NoTimestamp}
	l.Ends = Ends{Start: start, Log: end, Written: end, Durable: min(durable, end)}
	l.segments = append(l.segments, segments...)
	if n := len(l.segments); n > 0 {
		l.first = l.segments[n-1].FirstTimestamp
	}
	return l
}

// Append assigns the batch its offset and leader epoch at the log end. rolled says that a new segment begins with it: the disk must be told to Roll
// to the batch's base offset before it appends.
func (l *Log) Append(b *record.Batch, epoch record.Epoch, limits RollLimits, now record.UnixMillis) (rolled bool) {
	b.BaseOffset, b.LeaderEpoch = l.Log, epoch
	return l.Accept(b, limits, now)
}

// Accept takes a batch that has its offset and leader epoch from the leader: at the log end or, where a compacted log has a gap, above it.
func (l *Log) Accept(b *record.Batch, limits RollLimits, now record.UnixMillis) (rolled bool) {
	if l.created == record.NoTimestamp {
		l.created = now
	}
	if l.index == (IndexLimits{}) {
		l.index = limits.Index
	}
	if rolled = l.full(b, limits, now); rolled {
		l.begin(b.BaseOffset, now, limits.Index)
	}
	active := &l.segments[len(l.segments)-1]
	if active.Size == 0 {
		l.first = b.MaxTimestamp
	}
	l.Ring.Push(b, active.Base, active.Size)
	pos := active.Size
	active.Size += Pos(b.Size)
	active.MaxTimestamp = max(active.MaxTimestamp, b.MaxTimestamp)
	active.Index.add(pos, active.MaxTimestamp, l.index)
	l.Epochs.Assign(b.LeaderEpoch, b.BaseOffset)
	l.Log = b.NextOffset()
	return rolled
}

// begin makes a segment at base, the log end or above it, the active one.
func (l *Log) begin(base record.Offset, now record.UnixMillis, index IndexLimits) {
	l.segments = append(l.segments, Segment{Base: base, MaxTimestamp: record.NoTimestamp, Index: NoIndex})
	l.first, l.created, l.jitter, l.index = record.NoTimestamp, now, 0, index
}

// Indexing returns how the active segment is indexed: as it was when it began, or when it first grew after a start. New limits hold from the next segment on,
// since the disk has set its room aside.
func (l *Log) Indexing() IndexLimits { return l.index }

// SetJitter makes the active segment full so many ms before segment.ms, so that the segments of many partitions do not all end at once.
func (l *Log) SetJitter(ms int64) { l.jitter = ms }

// full reports whether b must begin a new segment. Offsets of a segment are stored relative to its base in 32 bits (KAFKA-6264).
func (l *Log) full(b *record.Batch, limits RollLimits, now record.UnixMillis) bool {
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
	if int64(active.Size)+int64(b.Size) > int64(limits.Bytes) || active.Index.full(l.index) {
		return true
	}
	// Age is by the records' clock: from the first batch to this one. A segment whose first batch has no timestamp ages by ours.
	age := int64(now) - int64(l.created)
	if l.first != record.NoTimestamp {
		age = int64(b.MaxTimestamp) - int64(l.first)
	}
	return limits.Ms > 0 && age > limits.Ms-l.jitter
}

// NewGeneration begins a generation: the role changed. Completions of the one before are ignored from here on; the Sync that must follow is FIFO behind
// the appends in flight, so its completion covers them.
func (l *Log) NewGeneration() Generation {
	l.Generation++
	return l.Generation
}

// Segments returns the segments; the caller must not change them.
func (l *Log) Segments() []Segment { return l.segments }
