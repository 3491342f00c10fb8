package stream

import "odradek/core/record"

// IndexLimits say how a segment is indexed: index.interval.bytes and segment.index.bytes. With Bytes 0 they are the disk's own, and no index gets full.
type IndexLimits struct {
	Interval int32
	Bytes    int32
}

// DefaultIndexLimits are Kafka's.
var DefaultIndexLimits = IndexLimits{Interval: 4096, Bytes: 10 << 20}

// Sizes of an entry of .index and of .timeindex.
const (
	offsetEntry = 8
	timeEntry   = 12
)

// Index counts the entries that the disk makes for a segment, without having them. It needs none: position, size and largest timestamp of each batch decide.
type Index struct {
	Entries  int32             // of .index
	Times    int32             // of .timeindex
	Last     Pos               // position that the last entry of .index names; 0 if there is none
	LastTime record.UnixMillis // timestamp of the last entry of .timeindex; NoTimestamp if there is none
}

// NoIndex is that of a new segment.
var NoIndex = Index{LastTime: record.NoTimestamp}

// add counts the entries for a batch at pos; of all batches up to it maxTS is the largest timestamp. An entry is due when more than the interval lies behind
// the last one. Times rise strictly, and the last place is that of the entry that a segment gets when it is closed.
func (x *Index) add(pos Pos, maxTS record.UnixMillis, limits IndexLimits) {
	if int64(pos-x.Last) <= int64(limits.Interval) || x.Entries >= limits.Bytes/offsetEntry {
		return
	}
	x.Entries++
	x.Last = pos
	if maxTS > x.LastTime && x.Times+1 < limits.Bytes/timeEntry {
		x.Times++
		x.LastTime = maxTS
	}
}

// full reports whether an index has no place for the entry of a further batch: then a new segment begins.
func (x *Index) full(limits IndexLimits) bool {
	return limits.Bytes > 0 && (x.Entries >= limits.Bytes/offsetEntry || x.Times+1 >= limits.Bytes/timeEntry)
}
