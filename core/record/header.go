package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Positions of the header's fields (Kafka's DefaultRecordBatch; FEATURES §4).
const (
	posLength        = 8
	posLeaderEpoch   = 12
	posMagic         = 16
	posCRC           = 17
	posAttributes    = 21 // the CRC covers everything from here on
	posLastDelta     = 23
	posBaseTimestamp = 27
	posMaxTimestamp  = 35
	posProducerID    = 43
	posProducerEpoch = 51
	posBaseSequence  = 53
	posCount         = 57
)

// Magic is the only version of the record format that Odradek reads and writes.
const Magic = 2

// What can be wrong with the bytes of a batch. They are wrapped with the place, so test with errors.Is.
var (
	ErrShort  = errors.New("record batch is cut short")
	ErrLength = errors.New("record batch declares an impossible length")
	ErrMagic  = errors.New("record batch is not of format version 2")
	ErrCRC    = errors.New("record batch fails its checksum")
	ErrRecord = errors.New("record is malformed")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ParseHeader reads the header of the batch that data begins with. Data holds the whole batch if data does, and is nil if data ends
// before the batch; it aliases data and belongs to no frame. Nothing beyond the header is looked at: see CheckCRC.
//
// Errors: ErrShort (fewer than HeaderSize bytes), ErrLength, ErrMagic.
func ParseHeader(data []byte) (Batch, error) {
	if len(data) < HeaderSize {
		// An old format's magic lies within the first 17 bytes; naming it says more than the length does.
		if len(data) > posMagic && data[posMagic] != Magic {
			return Batch{}, fmt.Errorf("%w: version %d", ErrMagic, int8(data[posMagic]))
		}
		return Batch{}, fmt.Errorf("%w: %d bytes of a header of %d", ErrShort, len(data), HeaderSize)
	}
	if data[posMagic] != Magic {
		return Batch{}, fmt.Errorf("%w: version %d", ErrMagic, int8(data[posMagic]))
	}
	length := int64(int32(binary.BigEndian.Uint32(data[posLength:])))
	if size := length + LogOverhead; size < HeaderSize || size > maxBatchSize {
		return Batch{}, fmt.Errorf("%w: %d", ErrLength, length)
	}
	b := Batch{
		BaseOffset:      Offset(binary.BigEndian.Uint64(data)),
		LeaderEpoch:     Epoch(binary.BigEndian.Uint32(data[posLeaderEpoch:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(data[posLastDelta:])),
		Count:           int32(binary.BigEndian.Uint32(data[posCount:])),
		Attributes:      Attributes(binary.BigEndian.Uint16(data[posAttributes:])),
		BaseTimestamp:   UnixMillis(binary.BigEndian.Uint64(data[posBaseTimestamp:])),
		MaxTimestamp:    UnixMillis(binary.BigEndian.Uint64(data[posMaxTimestamp:])),
		ProducerID:      ProducerID(binary.BigEndian.Uint64(data[posProducerID:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(data[posProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(data[posBaseSequence:])),
		CRC:             binary.BigEndian.Uint32(data[posCRC:]),
		Size:            int32(length + LogOverhead),
	}
	if int64(len(data)) >= int64(b.Size) {
		b.Data = data[:b.Size:b.Size]
	}
	return b, nil
}

// maxBatchSize keeps Size within an int32 with room to spare.
const maxBatchSize = 1 << 30

// CheckCRC compares the CRC-32C of Data with the header's. It returns ErrShort if Data is not held, or ErrCRC.
func (b *Batch) CheckCRC() error {
	if len(b.Data) < HeaderSize {
		return ErrShort
	}
	if got := crc32.Checksum(b.Data[posAttributes:], castagnoli); got != b.CRC {
		return fmt.Errorf("%w: %08x, header says %08x", ErrCRC, got, b.CRC)
	}
	return nil
}

// seal writes all of b's header but the base offset and leader epoch into Data, and takes the CRC. It is used after a field under
// the CRC has changed, and by Builder. Invariant afterwards: ParseHeader(Data) gives b.
func (b *Batch) seal() {
	d := b.Data
	binary.BigEndian.PutUint32(d[posLength:], uint32(len(d)-LogOverhead))
	d[posMagic] = Magic
	binary.BigEndian.PutUint16(d[posAttributes:], uint16(b.Attributes))
	binary.BigEndian.PutUint32(d[posLastDelta:], uint32(b.LastOffsetDelta))
	binary.BigEndian.PutUint64(d[posBaseTimestamp:], uint64(b.BaseTimestamp))
	binary.BigEndian.PutUint64(d[posMaxTimestamp:], uint64(b.MaxTimestamp))
	binary.BigEndian.PutUint64(d[posProducerID:], uint64(b.ProducerID))
	binary.BigEndian.PutUint16(d[posProducerEpoch:], uint16(b.ProducerEpoch))
	binary.BigEndian.PutUint32(d[posBaseSequence:], uint32(b.BaseSequence))
	binary.BigEndian.PutUint32(d[posCount:], uint32(b.Count))
	b.CRC = crc32.Checksum(d[posAttributes:], castagnoli)
	binary.BigEndian.PutUint32(d[posCRC:], b.CRC)
	b.Size = int32(len(d))
}

// Batches walks consecutive whole batches in data, as a segment or a fetch reply holds them. CRCs are not checked.
//
//	for it := Batches(data); it.Next(); { use it.Batch }
//
// A last batch that is cut short ends the walk without an error, as Kafka's readers do: Rest says how many bytes it left.
func Batches(data []byte) BatchIter { return BatchIter{rest: data} }

// BatchIter is a walk over batches. Batch is valid until the next call of Next; its Data aliases the walked bytes.
type BatchIter struct {
	Batch Batch
	rest  []byte
	err   error
}

// Next moves to the next whole batch and says whether there is one.
func (it *BatchIter) Next() bool {
	if it.err != nil {
		return false
	}
	b, err := ParseHeader(it.rest)
	if err != nil {
		if !errors.Is(err, ErrShort) {
			it.err = err
		}
		return false
	}
	if b.Data == nil {
		return false
	}
	it.Batch, it.rest = b, it.rest[b.Size:]
	return true
}

// Rest returns the number of bytes after the last batch given.
func (it *BatchIter) Rest() int { return len(it.rest) }

// Err returns ErrLength or ErrMagic, wrapped, if the walk ended at bytes that are no batch.
func (it *BatchIter) Err() error { return it.err }
