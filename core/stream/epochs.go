package stream

import (
	"slices"

	"odradek/core/record"
)

// Epochs is the leader epoch cache (KIP-101, KIP-279): where each leader epoch of a log begins.
//
// Invariant: epochs and start offsets both rise strictly from entry to entry.
type Epochs struct{ entries []EpochStart }

// NewEpochs returns the cache that recovery or a checkpoint found. It copies entries.
func NewEpochs(entries []EpochStart) Epochs {
	var c Epochs
	for _, e := range entries {
		c.Assign(e.Epoch, e.Start)
	}
	return c
}

// Assign notes that epoch begins at start. An epoch that is not newer than the last is no news; entries that begin at or behind start
// never got a record and go.
func (c *Epochs) Assign(epoch record.Epoch, start record.Offset) {
	if n := len(c.entries); n > 0 && epoch <= c.entries[n-1].Epoch {
		return
	}
	for n := len(c.entries); n > 0 && c.entries[n-1].Start >= start; n = len(c.entries) {
		c.entries = c.entries[:n-1]
	}
	c.entries = append(c.entries, EpochStart{epoch, start})
}

// Latest returns the last epoch, or NoEpoch.
func (c *Epochs) Latest() record.Epoch {
	if len(c.entries) == 0 {
		return record.NoEpoch
	}
	return c.entries[len(c.entries)-1].Epoch
}

// At returns the epoch that offset belongs to, or NoEpoch.
func (c *Epochs) At(offset record.Offset) record.Epoch {
	for i := len(c.entries) - 1; i >= 0; i-- {
		if c.entries[i].Start <= offset {
			return c.entries[i].Epoch
		}
	}
	return record.NoEpoch
}

// EndOffset answers OffsetForLeaderEpoch: the largest epoch not above the asked one and the offset at which it ends, which is the start of
// the next epoch or logEnd. An asked epoch below every entry yields NoEpoch and the first entry's start (KIP-279).
func (c *Epochs) EndOffset(epoch record.Epoch, logEnd record.Offset) (record.Epoch, record.Offset) {
	if len(c.entries) == 0 {
		return record.NoEpoch, record.NoOffset
	}
	i, found := slices.BinarySearchFunc(c.entries, epoch, func(e EpochStart, t record.Epoch) int { return int(e.Epoch) - int(t) })
	if found {
		i++
	}
	end := logEnd
	if i < len(c.entries) {
		end = c.entries[i].Start
	}
	if i == 0 {
		return record.NoEpoch, end
	}
	return c.entries[i-1].Epoch, end
}

// TruncateTo forgets what begins at or behind end, a log's new end.
func (c *Epochs) TruncateTo(end record.Offset) {
	for n := len(c.entries); n > 0 && c.entries[n-1].Start >= end; n = len(c.entries) {
		c.entries = c.entries[:n-1]
	}
}

// StartAt forgets epochs that ended below start, a log's new start, but that of the record before it: it begins there from now on. By it a leader can tell whether a
// follower agrees about what is deleted. Kafka moves the entry to start and cannot.
func (c *Epochs) StartAt(start record.Offset) {
	i := 0
	for i+1 < len(c.entries) && c.entries[i+1].Start < start {
		i++
	}
	c.entries = slices.Delete(c.entries, 0, min(i, len(c.entries)))
	if len(c.entries) > 0 && c.entries[0].Start < start {
		c.entries[0].Start = start - 1
	}
}

// Entries returns a copy of the cache.
func (c *Epochs) Entries() []EpochStart { return slices.Clone(c.entries) }
