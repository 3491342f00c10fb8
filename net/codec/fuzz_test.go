package codec

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/internal/allocs"
)

const (
	fuzzLimit = 1 << 16
	// decoderCost is what decoders allocate for themselves the first time: LZ4 blocks of 4 MiB, zstd's tables.
	decoderCost = 24 << 20
)

// FuzzDecompress: any bytes to any codec: no panic, no more than the limit, what was there before is kept, and memory follows the limit, not the claim.
func FuzzDecompress(f *testing.F) {
	var c Codec
	for _, id := range codecs {
		for _, text := range []string{"", "some text, some more text; some text", string(make([]byte, 3*fuzzLimit))} {
			z, _ := c.Compress(nil, []byte(text), id, 0)
			f.Add(z, int8(id))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, id int8) {
		var out []byte
		var err error
		cost := allocs.Over(decoderCost+8*fuzzLimit+16*uint64(len(src)), func() { out, err = c.Decompress([]byte("p"), src, record.CodecID(id), fuzzLimit) })
		if len(out) < 1 || out[0] != 'p' || len(out) > fuzzLimit+1 || (err != nil && len(out) != 1) {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		if cost > 0 {
			t.Fatalf("%d bytes allocated for %d of %v, %v", cost, len(src), record.CodecID(id), err)
		}
		if err != nil {
			return
		}
		z, err := c.Compress(nil, out[1:], record.CodecID(id), 0)
		again, err2 := c.Decompress(nil, z, record.CodecID(id), fuzzLimit)
		if err != nil || err2 != nil || !bytes.Equal(again, out[1:]) {
			t.Fatalf("%v does not give back its %d bytes: %v, %v", record.CodecID(id), len(out)-1, err, err2)
		}
	})
}

// seal gives a batch the codec that it claims, the only magic there is, and a CRC that is right.
func seal(data []byte, codec byte) []byte {
	const magicAt, crcAt, attributesAt = 16, 17, 21
	binary.BigEndian.PutUint64(data, 0) // the base offset
	data[magicAt] = record.Magic
	data[attributesAt+1] = data[attributesAt+1]&^7 | codec
	binary.BigEndian.PutUint32(data[crcAt:], crc32.Checksum(data[attributesAt:], crc32.MakeTable(crc32.Castagnoli)))
	return data
}

// FuzzPrepareCompressed: record.Prepare with the real codecs. flags choose the codec that the batch claims, and what its topic demands.
func FuzzPrepareCompressed(f *testing.F) {
	var c Codec
	for i, id := range codecs {
		var b record.Builder
		b.Reset(record.PlainSpec(record.Attributes(id)))
		for range 3 {
			b.Append(1, []byte("key"), bytes.Repeat([]byte("value "), 20), nil)
		}
		batch, _ := b.Build(&c)
		f.Add(batch.Data, byte(i), byte(0))
		f.Add(batch.Data, byte(i), byte(id)<<1|1)
	}
	f.Fuzz(func(t *testing.T, data []byte, claimed, flags byte) {
		b, err := record.ParseHeader(data)
		if err != nil || b.Data == nil {
			return
		}
		data = seal(bytes.Clone(b.Data), claimed%5) // else the CRC keeps the fuzzer out
		p := record.DefaultPolicy()
		p.LogAppendTime, p.Compacted = flags&16 != 0, flags&32 != 0
		if flags&1 != 0 {
			p.Compression = record.CodecID(flags>>1) % 5
		}
		const wall = 1_750_000_000_000
		got, refusal := record.Prepare(&p, wall, &c, data, 1)
		if refusal != nil {
			if refusal.Code == errcode.None || refusal.Message == "" {
				t.Fatalf("refused without a reason: %+v", refusal)
			}
			return
		}
		n := int32(0)
		it := got.Records(&c, nil)
		for ; it.Next(); n++ {
			if it.Record.OffsetDelta != n {
				t.Fatal("accepted a batch whose records are out of order")
			}
		}
		if got.CheckCRC() != nil || it.Err() != nil || n != got.Count || got.Size != int32(len(got.Data)) || got.Size > p.MaxMessageBytes {
			t.Fatalf("accepted and not sound: %d records of %d, %v", n, got.Count, it.Err())
		}
	})
}
