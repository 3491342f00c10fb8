package load

import (
	"bytes"
	"encoding/binary"

	"odradek/bench/cell"
	"odradek/bench/payload"
	"odradek/core/record"
	"odradek/net/codec"
)

// encoded is a batch that was made beforehand.
type encoded struct {
	data    []byte
	records int
	values  int // bytes of keys and values
	stampAt int // where the first value's stamp lies; -1 where the batch is compressed
}

const (
	// variants is how many different batches a cell sends in turn, so that the broker never gets the same one twice in a row.
	variants      = 8
	variantsBytes = 16 << 20
)

// prepared is what a load is made from: the set of records, and in broker mode the batches.
type prepared struct {
	set     *payload.Set
	id      record.CodecID
	batches []encoded
}

// prepare makes the batches of a cell. The time in them is that of their making.
func prepare(c cell.Cell, seed uint64, wall record.UnixMillis) (*prepared, error) {
	id, err := cell.CodecID(c.Codec)
	if err != nil {
		return nil, err
	}
	p := &prepared{id: id}
	if p.set, err = payload.New(c.Payload, c.Record, seed); err != nil || c.Mode == cell.Client {
		return p, err
	}
	var g gather
	at := 0
	for range max(1, min(variants, variantsBytes/max(c.Batch, c.Record))) {
		g.reset(id, 0, 0)
		for {
			key, value := p.record(at, c.Keys)
			if !g.fits(len(key)+len(value), c.Batch) {
				break
			}
			g.append(wall, key, value)
			at++
		}
		if err := p.add(&g, id); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *prepared) record(i int, keys bool) (key, value []byte) {
	i %= len(p.set.Values)
	if keys {
		key = p.set.Keys[i]
	}
	return key, p.set.Values[i]
}

// add builds what g holds. In an uncompressed batch it finds the first value.
func (p *prepared) add(g *gather, id record.CodecID) error {
	b, err := g.builder.Build(packer)
	if err != nil {
		return err
	}
	e := encoded{data: bytes.Clone(b.Data), records: int(b.Count), values: g.values, stampAt: -1}
	if id == record.CodecNone {
		it := b.Records(nil, nil)
		if it.Next() {
			e.stampAt = record.HeaderSize + bytes.Index(b.Data[record.HeaderSize:], it.Record.Value)
		}
	}
	p.batches = append(p.batches, e)
	return nil
}

// packer compresses for all loads; it may be used from several goroutines.
var packer = new(codec.Codec)

// stamp writes when the batch was due into its first record and seals it again.
func (e *encoded) stamp(due int64) {
	if e.stampAt < 0 {
		return
	}
	binary.BigEndian.PutUint64(e.data[e.stampAt:], uint64(due))
	record.SetProducer(e.data, record.NoProducer, record.NoProducerEpoch, record.NoSequence)
}

// gather is a batch that records are put into, as a client does.
type gather struct {
	builder    record.Builder
	due        []int64 // of each record
	values     int
	largest    int // bytes that the largest record took, without key and value
	partition  int32
	born       int64 // when the first record came
	generation int   // how often the gather was used anew
	queued     bool  // among those that may be sent
	scratch    []byte
}

func (g *gather) reset(id record.CodecID, partition int32, born int64) {
	g.builder.Reset(record.PlainSpec(record.Attributes(id)))
	g.due, g.values, g.partition, g.born, g.queued = g.due[:0], 0, partition, born, false
	g.generation++
}

// overhead is a bound of what a record takes besides its key and value: lengths, attributes, deltas.
const overhead = 24

// fits reports whether another record of size bytes stays within batch bytes. The first one always does.
func (g *gather) fits(size, batch int) bool {
	n := g.builder.Count()
	return n == 0 || batch > 0 && g.builder.Size()+size+g.largest <= batch
}

func (g *gather) append(wall record.UnixMillis, key, value []byte) {
	before := g.builder.Size()
	g.builder.Append(wall, key, value, nil)
	g.values += len(key) + len(value)
	// Lengths of numbers grow with them, by at most 2 bytes from one record to the next.
	g.largest = min(overhead, g.builder.Size()-before-len(key)-len(value)+2)
}

// put appends a record with its stamp.
func (g *gather) put(wall record.UnixMillis, due int64, key, value []byte) {
	g.scratch = append(g.scratch[:0], value...)
	binary.BigEndian.PutUint64(g.scratch, uint64(due))
	g.append(wall, key, g.scratch)
	g.due = append(g.due, due)
}
