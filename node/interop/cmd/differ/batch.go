package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Where the fields of a record batch's header lie.
const (
	atLength     = 8
	atMagic      = 16
	atCRC        = 17
	atAttributes = 21
	atLastDelta  = 23
	atBaseTime   = 27
	atMaxTime    = 35
	atProducer   = 43
	atCount      = 57
	headerSize   = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rec is one record.
type rec struct {
	key, value  []byte
	timeDelta   int64
	offsetDelta int64
	headers     []string // keys; their values are the keys again
	lie         int64    // added to its length
}

// batch is a record batch to be written.
type batch struct {
	baseOffset int64
	epoch      int32
	attributes int16
	time       int64 // base
	maxTime    int64
	producer   int64
	prodEpoch  int16
	sequence   int32
	lastDelta  int32
	count      int32
	records    []rec
}

func newBatch(time int64, records []rec) *batch {
	b := &batch{epoch: -1, time: time, maxTime: time, producer: -1, prodEpoch: -1, sequence: -1, records: records, count: int32(len(records)),
		lastDelta: int32(len(records) - 1)}
	for _, r := range records {
		b.maxTime = max(b.maxTime, time+r.timeDelta)
	}
	return b
}

func (b *batch) plain() []byte {
	var out []byte
	for _, r := range b.records {
		body := []byte{0}
		body = binary.AppendVarint(body, r.timeDelta)
		body = binary.AppendVarint(body, r.offsetDelta)
		body = appendBytes(body, r.key)
		body = appendBytes(body, r.value)
		body = binary.AppendVarint(body, int64(len(r.headers)))
		for _, h := range r.headers {
			body = appendBytes(body, []byte(h))
			body = appendBytes(body, []byte(h))
		}
		out = append(binary.AppendVarint(out, int64(len(body))+r.lie), body...)
	}
	return out
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

var codecs = []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}

// encode writes the batch; its records are compressed as the attributes say.
func (b *batch) encode() []byte {
	data := b.plain()
	if codec := int(b.attributes & 7); codec > 0 && codec < len(codecs) {
		c, err := kgo.DefaultCompressor(codecs[codec])
		if err != nil {
			panic(err) // the table above is wrong
		}
		data, _ = c.Compress(new(bytes.Buffer), data)
	}
	out := make([]byte, headerSize, headerSize+len(data))
	be := binary.BigEndian
	be.PutUint64(out, uint64(b.baseOffset))
	be.PutUint32(out[12:], uint32(b.epoch))
	out[atMagic] = 2
	be.PutUint16(out[atAttributes:], uint16(b.attributes))
	be.PutUint32(out[atLastDelta:], uint32(b.lastDelta))
	be.PutUint64(out[atBaseTime:], uint64(b.time))
	be.PutUint64(out[atMaxTime:], uint64(b.maxTime))
	be.PutUint64(out[atProducer:], uint64(b.producer))
	be.PutUint16(out[51:], uint16(b.prodEpoch))
	be.PutUint32(out[53:], uint32(b.sequence))
	be.PutUint32(out[atCount:], uint32(b.count))
	out = append(out, data...)
	be.PutUint32(out[atLength:], uint32(len(out)-12))
	reseal(out)
	return out
}

// reseal writes the CRC that a batch ought to have.
func reseal(b []byte) {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}

func sealed(b []byte) bool {
	return binary.BigEndian.Uint32(b[atCRC:]) == crc32.Checksum(b[atAttributes:], castagnoli)
}

// swapProducer renames the producer of a batch, and keeps a good CRC good.
func swapProducer(b []byte, to map[int64]int64) {
	if len(b) < headerSize {
		return
	}
	if id, ok := to[int64(binary.BigEndian.Uint64(b[atProducer:]))]; ok {
		good := sealed(b)
		if binary.BigEndian.PutUint64(b[atProducer:], uint64(id)); good {
			reseal(b)
		}
	}
}

// split returns the whole batches of a fetch reply, and how many bytes are left over.
func split(data []byte) (batches [][]byte, rest int) {
	for len(data) >= 12 {
		n := int(int32(binary.BigEndian.Uint32(data[atLength:]))) + 12
		if n < headerSize || n > len(data) {
			break
		}
		batches, data = append(batches, data[:n]), data[n:]
	}
	return batches, len(data)
}

// readBatch makes a tree of a batch of a fetch reply. Its compressed bytes are each broker's own, so what they hold is compared; all else is as it came.
func readBatch(b []byte, producers map[int64]int64) any {
	be := binary.BigEndian
	good := sealed(b)
	attributes := int16(be.Uint16(b[atAttributes:]))
	maxTime, base, length := int64(be.Uint64(b[atMaxTime:])), int64(be.Uint64(b[atBaseTime:])), len(b)
	if attributes&8 != 0 && maxTime > 0 { // the broker's clock
		maxTime = 1
	}
	producer := int64(be.Uint64(b[atProducer:]))
	if common, ok := producers[producer]; ok {
		producer = common
	}
	data := b[headerSize:]
	if codec := attributes & 7; codec != 0 {
		length = 0
		plain, err := kgo.DefaultDecompressor().Decompress(data, kgo.CompressionCodecType(codec))
		if data = plain; err != nil {
			data = []byte(err.Error())
		}
	}
	offset := int64(be.Uint64(b))
	return tree{{"BaseOffset", offset}, {"Length", int64(length)}, {"LeaderEpoch", int64(int32(be.Uint32(b[12:])))}, {"Magic", int64(b[atMagic])},
		{"GoodCRC", good}, {"Attributes", int64(attributes)}, {"LastOffsetDelta", int64(int32(be.Uint32(b[atLastDelta:])))}, {"BaseTimestamp", base},
		{"MaxTimestamp", maxTime}, {"ProducerID", producer}, {"ProducerEpoch", int64(int16(be.Uint16(b[51:])))}, {"Sequence", int64(int32(be.Uint32(b[53:])))},
		{"Count", int64(int32(be.Uint32(b[atCount:])))}, {"Records", readRecords(data, base, attributes&8 != 0)}}
}

// readRecords makes a list of the records of a batch, with their times in full: where a broker writes a batch anew, the deltas are its own.
func readRecords(data []byte, base int64, stamped bool) any {
	var out list
	for len(data) > 0 {
		c := cursor{data, false}
		body := cursor{c.bytes(), false}
		body.skip(1)
		time, offset := base+body.number(), body.number()
		if stamped {
			time = 1
		}
		r := tree{{"Time", time}, {"OffsetDelta", offset}, {"Value", nil}, {"RecordKey", nil}, {"Rest", ""}}
		if key := body.bytes(); key != nil {
			r[3].value = string(key)
		}
		if value := body.bytes(); value != nil {
			r[2].value = string(value)
		}
		r[4].value = string(body.data)
		if c.bad || body.bad {
			return append(out, "unreadable: "+string(data))
		}
		out, data = append(out, r), c.data
	}
	return out
}

// cursor reads the fields of a record.
type cursor struct {
	data []byte
	bad  bool
}

func (c *cursor) number() int64 {
	n, size := binary.Varint(c.data)
	if size <= 0 {
		c.bad, size = true, 0
	}
	c.data = c.data[size:]
	return n
}

func (c *cursor) skip(n int) []byte {
	if n > len(c.data) {
		c.bad, n = true, len(c.data)
	}
	out := c.data[:n:n]
	c.data = c.data[n:]
	return out
}

// bytes reads a field with its length before it, nil if it is null.
func (c *cursor) bytes() []byte {
	n := c.number()
	if n < 0 {
		return nil
	}
	return c.skip(int(min(n, int64(len(c.data))+1)))
}
