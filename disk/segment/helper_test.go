package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// spec says what a test batch holds: n records of one byte value, times from ts on, one apart.
type spec struct {
	base  record.Offset
	n     int
	epoch record.Epoch
	ts    record.UnixMillis
	pid   record.ProducerID
	seq   int32
	pad   int // bytes of each value
	attr  record.Attributes
	pep   int16
}

// build makes the batch of s, its CRC right, base offset and epoch not yet stamped.
func build(s spec) record.Batch {
	var records []byte
	for i := range s.n {
		body := []byte{0}
		body = binary.AppendVarint(body, int64(i))
		body = binary.AppendVarint(body, int64(i))
		body = binary.AppendVarint(body, -1)
		body = binary.AppendVarint(body, int64(s.pad))
		body = append(body, strings.Repeat("v", s.pad)...)
		body = binary.AppendVarint(body, 0)
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	if s.attr.Codec() != record.CodecNone {
		for i := range records {
			records[i] ^= 0x5a // what xorCodec undoes
		}
	}
	b := record.Batch{
		BaseOffset: s.base, LeaderEpoch: s.epoch, LastOffsetDelta: int32(s.n - 1), Count: int32(s.n), Attributes: s.attr, BaseTimestamp: s.ts,
		MaxTimestamp: s.ts + record.UnixMillis(s.n-1), ProducerID: s.pid, ProducerEpoch: s.pep, BaseSequence: s.seq,
	}
	d := make([]byte, record.HeaderSize, record.HeaderSize+len(records))
	be := binary.BigEndian
	be.PutUint32(d[8:], uint32(record.HeaderSize-record.LogOverhead+len(records)))
	d[16] = 2
	be.PutUint16(d[21:], uint16(b.Attributes))
	be.PutUint32(d[23:], uint32(b.LastOffsetDelta))
	be.PutUint64(d[27:], uint64(b.BaseTimestamp))
	be.PutUint64(d[35:], uint64(b.MaxTimestamp))
	be.PutUint64(d[43:], uint64(b.ProducerID))
	be.PutUint16(d[51:], uint16(b.ProducerEpoch))
	be.PutUint32(d[53:], uint32(b.BaseSequence))
	be.PutUint32(d[57:], uint32(b.Count))
	d = append(d, records...)
	b.CRC = crc32.Checksum(d[21:], crc32.MakeTable(crc32.Castagnoli))
	be.PutUint32(d[17:], b.CRC)
	b.Data, b.Size = d, int32(len(d))
	return b
}

// stamped returns the bytes of a batch as the log has them.
func stamped(s spec) []byte {
	b := build(s)
	b.Stamp()
	return b.Data
}

// xorCodec stands for every codec.
type xorCodec struct{}

func (xorCodec) Decompress(dst, src []byte, _ record.CodecID, max int) ([]byte, error) {
	if len(src) > max {
		return nil, fmt.Errorf("more than %d bytes", max)
	}
	for _, c := range src {
		dst = append(dst, c^0x5a)
	}
	return dst, nil
}

func sid(letter string) stream.ID { return stream.ID{Topic: record.UUID{0: 0xaa, 15: letter[0]}} }

func printEvent(ev *core.Event) string {
	name := func() string {
		if ev.Stream.Topic.IsZero() {
			return "-"
		}
		return string(ev.Stream.Topic[15])
	}
	switch ev.Kind {
	case core.EvWritten:
		return fmt.Sprintf("Written %s gen=%d upTo=%d", name(), ev.Generation, ev.UpTo)
	case core.EvDurable:
		return fmt.Sprintf("Durable %s gen=%d upTo=%d", name(), ev.Generation, ev.UpTo)
	case core.EvCheckpointed:
		return fmt.Sprintf("Checkpointed %s gen=%d upTo=%d", name(), ev.Generation, ev.UpTo)
	case core.EvTruncated:
		return fmt.Sprintf("Truncated %s gen=%d %s", name(), ev.Generation, printOpened(ev.Opened))
	case core.EvStored:
		return fmt.Sprintf("Stored %s v%d", ev.Slot.Name, ev.Version)
	case core.EvIOFailed:
		return fmt.Sprintf("IOFailed dir=%d %s: %s", ev.Dir, name(), ev.Reason)
	}
	return fmt.Sprintf("event %d", ev.Kind)
}

func printOpened(o *core.Opened) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s [%d,%d) durable=%d", o.Topic, o.LogStart, o.LogEnd, o.Durable)
	for _, s := range o.Segments {
		fmt.Fprintf(&b, " seg=%d+%d/%d", s.Base, s.Size, s.MaxTimestamp)
	}
	for _, e := range o.Epochs {
		fmt.Fprintf(&b, " epoch=%d@%d", e.Epoch, e.Start)
	}
	for _, p := range o.Producers {
		fmt.Fprintf(&b, " pid=%d/%d", p.ID, p.Epoch)
		for _, a := range p.Batches[:p.Count] {
			fmt.Fprintf(&b, ",%d-%d@%d", a.FirstSequence, a.LastSequence, a.BaseOffset)
		}
	}
	if o.Cut != 0 {
		fmt.Fprintf(&b, " cut=%d", o.Cut)
	}
	if o.RecoveryPoint != 0 {
		fmt.Fprintf(&b, " point=%d", o.RecoveryPoint)
	}
	for _, x := range o.Lost {
		fmt.Fprintf(&b, " lost=[%d,%d) %s", x.From, x.To, x.Why)
	}
	if o.Damage != "" {
		fmt.Fprintf(&b, " damage: %s", o.Damage)
	}
	return b.String()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recoverAll opens a directory and adds all it holds.
func recoverAll(d *Dir) ([]*core.Opened, error) {
	folders, err := d.Folders()
	if err != nil {
		return nil, err
	}
	var all []*core.Opened
	var scratch Scratch
	for _, f := range folders {
		l, o, err := d.Recover(f, &scratch)
		if err != nil {
			return all, err
		}
		if l == nil {
			continue
		}
		if err := d.Add(l); err != nil {
			return all, err
		}
		all = append(all, o)
	}
	lost, err := d.Enlist()
	for _, f := range lost {
		all = append(all, f.Opened)
	}
	return all, err
}

// run writes ops, with a round's end between them where a Truncate asks for it.
func (d *Dir) writeAll(ops []core.DiskOp) []core.Event {
	done, events := d.Write(ops, nil)
	if done < len(ops) {
		panic("Write stopped and no round is in flight")
	}
	return events
}

func (d *Dir) syncAll() []core.Event {
	r := d.BeginSync()
	if r == nil {
		return nil
	}
	r.Run()
	return d.EndSync(r, nil)
}

// openDir opens a directory whose indexes are small.
func openDir(fs vfs.FS) *Dir {
	return OpenDirWith(fs, 0, Options{IndexInterval: 400, IndexBytes: 8000})
}
