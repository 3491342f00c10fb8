package sim

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"odradek/core/record"
)

// wrongs are ways in which a client may get the header of a batch wrong: where, how many bytes, and what it then says. None may be taken.
var wrongs = []struct {
	name  string
	at    int
	bytes []byte
}{
	{"a last offset delta that is not the count's", 23, []byte{0, 0, 3, 0xe8}},
	{"no records", 57, []byte{0, 0, 0, 0}},
	{"the bit of control records", 22, []byte{0x20}},
	{"the bit of a delete horizon", 22, []byte{0x40}},
	{"a codec that nobody knows", 22, []byte{0x07}},
	{"a negative producer id", 43, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}},
	{"a sequence of idempotence that is negative", 43, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff}},
	{"a negative producer epoch", 43, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0}},
	{"a count that is larger by far", 57, []byte{0x7f, 0xff, 0xff, 0xff}},
}

// checkPrepare shows the validation of what clients produce the same batch with a header that is wrong, under a CRC that is right: each seed has many, and which
// is tried its own bytes say.
func (n *node) checkPrepare(policy *record.Policy, data []byte) {
	if len(data) < record.HeaderSize || n.w.cfg.BlackBox {
		return
	}
	wrong := &wrongs[int(data[len(data)-1]^data[20])%len(wrongs)]
	bad := slices.Clone(data)
	copy(bad[wrong.at:], wrong.bytes)
	binary.BigEndian.PutUint32(bad[17:], crc32.Checksum(bad[21:], castagnoli))
	n.checkOverlong(policy, data)
	if _, refusal := n.p.prepare.Prepare(policy, n.wall(), bad, record.NoFrame); refusal == nil {
		n.w.fail(Correctness, "prepare", fmt.Sprintf("a batch is taken that has %s", wrong.name))
	}
}

// checkOverlong shows it the batch with a first record whose length takes six bytes, of which a number of 32 bits has at most five.
func (n *node) checkOverlong(policy *record.Policy, data []byte) {
	if data[22]&7 != 0 || len(data) == record.HeaderSize || data[record.HeaderSize] >= 0x80 {
		return // compressed, or it takes more than one byte anyway
	}
	bad := slices.Insert(slices.Clone(data), record.HeaderSize+1, 0x80, 0x80, 0x80, 0x80, 0)
	bad[record.HeaderSize] |= 0x80
	binary.BigEndian.PutUint32(bad[8:], uint32(len(bad)-record.LogOverhead))
	binary.BigEndian.PutUint32(bad[17:], crc32.Checksum(bad[21:], castagnoli))
	if _, refusal := n.p.prepare.Prepare(policy, n.wall(), bad, record.NoFrame); refusal == nil {
		n.w.fail(Correctness, "prepare", "a batch is taken with a record whose length has six bytes")
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkTimestamps: the first record of a batch has the batch's base timestamp, and none a later one than its largest.
func (n *node) checkTimestamps(o string, b *record.Batch) {
	it := b.Records(n.w.codec, nil)
	for i := 0; it.Next(); i++ {
		if r := &it.Record; i == 0 && r.TimestampDelta != 0 || b.BaseTimestamp+record.UnixMillis(r.TimestampDelta) > b.MaxTimestamp && b.Attributes&record.AttrLogAppendTime == 0 {
			n.w.fail(Correctness, "timestamps", fmt.Sprintf("%s: record %d of the batch at %d is %d ms after its base %d; the largest is %d", o, i, b.BaseOffset, r.TimestampDelta, b.BaseTimestamp, b.MaxTimestamp))
			return
		}
	}
	if err := it.Err(); err != nil {
		n.w.fail(Correctness, "timestamps", fmt.Sprintf("%s: the batch at %d: %v", o, b.BaseOffset, err))
	}
}
