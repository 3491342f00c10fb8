package record

import (
	"encoding/binary"
	"fmt"
)

// Spec is what a batch to be built says of itself, besides its records. PlainSpec gives one without a producer.
type Spec struct {
	BaseOffset    Offset
	LeaderEpoch   Epoch
	Attributes    Attributes // codec and flags; with AttrLogAppendTime, AppendTime is the batch's max timestamp
	AppendTime    UnixMillis
	Level         int // compression level, or DefaultLevel
	ProducerID    ProducerID
	ProducerEpoch int16
	BaseSequence  int32
}

// PlainSpec describes a batch at offset 0 that no idempotent producer wrote.
func PlainSpec(attributes Attributes) Spec {
	return Spec{
		LeaderEpoch: NoEpoch, Attributes: attributes, Level: DefaultLevel,
		ProducerID: NoProducer, ProducerEpoch: NoProducerEpoch, BaseSequence: NoSequence,
	}
}

// Builder builds batches, one after another, in buffers it reuses: Reset, Append for each record, Build. The zero value is ready
// for Reset. Offset deltas are 0, 1, 2, …; the first record's timestamp is the batch's base timestamp (as Kafka's builder does).
type Builder struct {
	spec    Spec
	plain   []byte // header space and uncompressed records
	packed  []byte // header space and compressed records
	count   int32
	base    UnixMillis
	highest UnixMillis
}

// Reset starts a new batch. Bytes of a batch built before are overwritten from now on.
func (b *Builder) Reset(spec Spec) {
	b.spec, b.count = spec, 0
	b.plain = append(b.plain[:0], make([]byte, HeaderSize)...)
	b.base, b.highest = NoTimestamp, NoTimestamp
}

// Append adds one record. A nil key or value is null, and so is a nil header value. Nothing is kept of the arguments.
func (b *Builder) Append(timestamp UnixMillis, key, value []byte, headers []Header) {
	if b.count == 0 {
		b.base = timestamp
	}
	b.highest = max(b.highest, timestamp)
	b.plain = appendRecord(b.plain, int64(timestamp-b.base), b.count, key, value, headers)
	b.count++
}

// Swap gives the builder other memory to build in, for what a batch was built in to be kept; what it holds is overwritten. Reset comes next.
func (b *Builder) Swap(memory []byte) {
	b.plain = memory[:0]
}

// Count is the number of records appended since Reset.
func (b *Builder) Count() int32 { return b.count }

// Size is the size in bytes of the batch so far, were it not compressed.
func (b *Builder) Size() int { return len(b.plain) }

// Build returns the batch. Its Data lies in the builder's buffer and is valid until the next Reset. It fails if there is no record,
// if the batch is too large to have a length, or if codec does.
func (b *Builder) Build(codec Codec) (Batch, error) {
	if b.count == 0 {
		return Batch{}, fmt.Errorf("%w: a batch needs at least one record", ErrLength)
	}
	s := &b.spec
	data := b.plain
	if id := s.Attributes.Codec(); id != CodecNone {
		if codec == nil {
			return Batch{}, errNoCodec
		}
		var err error
		b.packed = append(b.packed[:0], b.plain[:HeaderSize]...)
		if b.packed, err = codec.Compress(b.packed, b.plain[HeaderSize:], id, s.Level); err != nil {
			return Batch{}, fmt.Errorf("compress with %s: %w", id, err)
		}
		data = b.packed
	}
	if len(data) > maxBatchSize {
		return Batch{}, fmt.Errorf("%w: %d bytes", ErrLength, len(data))
	}
	built := Batch{
		BaseOffset: s.BaseOffset, LeaderEpoch: s.LeaderEpoch, LastOffsetDelta: b.count - 1, Count: b.count, Attributes: s.Attributes,
		BaseTimestamp: b.base, MaxTimestamp: b.highest,
		ProducerID: s.ProducerID, ProducerEpoch: s.ProducerEpoch, BaseSequence: s.BaseSequence, Data: data,
	}
	if s.Attributes&AttrLogAppendTime != 0 {
		built.MaxTimestamp = s.AppendTime
	}
	built.Stamp()
	built.seal()
	return built, nil
}

// appendRecord appends the wire form of one record (FEATURES §4): its length counts everything after the length itself.
func appendRecord(dst []byte, timestampDelta int64, offsetDelta int32, key, value []byte, headers []Header) []byte {
	size := 1 + varlongSize(timestampDelta) + varlongSize(int64(offsetDelta)) + fieldSize(key) + fieldSize(value) +
		varlongSize(int64(len(headers)))
	for i := range headers {
		size += varlongSize(int64(len(headers[i].Key))) + len(headers[i].Key) + fieldSize(headers[i].Value)
	}
	dst = binary.AppendVarint(dst, int64(size))
	dst = append(dst, 0) // attributes: unused
	dst = binary.AppendVarint(dst, timestampDelta)
	dst = binary.AppendVarint(dst, int64(offsetDelta))
	dst = appendField(dst, key)
	dst = appendField(dst, value)
	dst = binary.AppendVarint(dst, int64(len(headers)))
	for i := range headers {
		// A header's key is never null, so a nil one is written as empty.
		dst = binary.AppendVarint(dst, int64(len(headers[i].Key)))
		dst = append(dst, headers[i].Key...)
		dst = appendField(dst, headers[i].Value)
	}
	return dst
}

func appendField(dst, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(field)))
	return append(dst, field...)
}

func fieldSize(field []byte) int {
	if field == nil {
		return 1
	}
	return varlongSize(int64(len(field))) + len(field)
}

// varlongSize is the number of bytes of v's zig-zag varint.
func varlongSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	n := 1
	for ; u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
