package record

import (
	"encoding/binary"
	"strconv"
)

// CodecID is the compression of a batch: attribute bits 0–2.
type CodecID int8

// The codecs of Kafka, by their number in the attributes.
const (
	CodecNone CodecID = iota
	CodecGzip
	CodecSnappy
	CodecLZ4
	CodecZstd
)

// String returns Kafka's word for c, as in compression.type.
func (c CodecID) String() string {
	if c < CodecNone || c > CodecZstd {
		return "codec" + strconv.Itoa(int(c))
	}
	return [...]string{"none", "gzip", "snappy", "lz4", "zstd"}[c]
}

// Attributes are the 16 attribute bits of a batch.
type Attributes int16

// The bits of Attributes above the codec.
const (
	AttrLogAppendTime Attributes = 1 << 3
	AttrTransactional Attributes = 1 << 4
	AttrControl       Attributes = 1 << 5
	AttrDeleteHorizon Attributes = 1 << 6
)

// Codec returns the compression named by a.
func (a Attributes) Codec() CodecID { return CodecID(a & 7) }

// HeaderSize is the size in bytes of a batch's header, from the base offset to the record count.
const HeaderSize = 61

// LogOverhead is the size of the base offset and the length: the bytes that the length field does not count.
const LogOverhead = 12

// Batch describes one record batch of version 2: all that the core knows of it. It is plain data; copies share Data.
//
// BaseOffset and LeaderEpoch are assigned by the core's Step and written into Data by Stamp, outside the CRC, just before the batch
// goes to its file. Data aliases the frame it came in when Frame is not NoFrame: it is valid until that frame returns to its pool.
type Batch struct {
	BaseOffset      Offset
	LeaderEpoch     Epoch
	LastOffsetDelta int32
	Count           int32
	Attributes      Attributes
	BaseTimestamp   UnixMillis
	MaxTimestamp    UnixMillis
	ProducerID      ProducerID
	ProducerEpoch   int16
	BaseSequence    int32
	CRC             uint32
	Size            int32 // bytes of the whole batch, header included; Invariant: Size == len(Data) where Data is held
	Frame           FrameID
	Data            []byte
}

// LastOffset is the offset of the batch's last record.
func (b *Batch) LastOffset() Offset { return b.BaseOffset + Offset(b.LastOffsetDelta) }

// NextOffset is the offset that follows the batch.
func (b *Batch) NextOffset() Offset { return b.LastOffset() + 1 }

// Idempotent reports whether the batch carries a producer id.
func (b *Batch) Idempotent() bool { return b.ProducerID >= 0 }

// Control reports whether the batch holds control records.
func (b *Batch) Control() bool { return b.Attributes&AttrControl != 0 }

// LastSequence is the sequence number of the last record; sequences wrap from 2³¹−1 to 0.
func (b *Batch) LastSequence() int32 { return AddSequence(b.BaseSequence, b.LastOffsetDelta) }

// Stamp writes the assigned base offset and leader epoch into Data. Both lie outside the CRC.
func (b *Batch) Stamp() {
	binary.BigEndian.PutUint64(b.Data, uint64(b.BaseOffset))
	binary.BigEndian.PutUint32(b.Data[12:], uint32(b.LeaderEpoch))
}

// Append writes the stable printed form of b to dst: [base..last e=epoch n=count size crc …].
func (b *Batch) Append(dst []byte) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, int64(b.BaseOffset), 10)
	dst = append(dst, ".."...)
	dst = strconv.AppendInt(dst, int64(b.LastOffset()), 10)
	dst = append(dst, " e="...)
	dst = strconv.AppendInt(dst, int64(b.LeaderEpoch), 10)
	dst = append(dst, " n="...)
	dst = strconv.AppendInt(dst, int64(b.Count), 10)
	dst = append(dst, " size="...)
	dst = strconv.AppendInt(dst, int64(b.Size), 10)
	dst = append(dst, " crc="...)
	dst = strconv.AppendUint(dst, uint64(b.CRC), 16)
	if b.Attributes != 0 {
		dst = append(dst, " attr="...)
		dst = strconv.AppendInt(dst, int64(b.Attributes), 16)
	}
	if b.Idempotent() {
		dst = append(dst, " pid="...)
		dst = strconv.AppendInt(dst, int64(b.ProducerID), 10)
		dst = append(dst, '/')
		dst = strconv.AppendInt(dst, int64(b.ProducerEpoch), 10)
		dst = append(dst, " seq="...)
		dst = strconv.AppendInt(dst, int64(b.BaseSequence), 10)
	}
	return append(dst, ']')
}

// AddSequence returns the sequence number n after seq; numbers wrap from 2³¹−1 to 0.
func AddSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & 0x7fffffff)
}
