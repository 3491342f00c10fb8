package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// recordBytes is the size of every record's value.
const recordBytes = 1024

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// makeBatch encodes a batch of so many records, uncompressed, of no producer id.
func makeBatch(records int) []byte {
	rng := rand.New(rand.NewPCG(5, uint64(records)))
	value := make([]byte, recordBytes)
	for i := range value {
		value[i] = byte(rng.Uint32())
	}
	var body []byte
	for i := range records {
		r := []byte{0, 0} // attributes, timestamp delta
		r = binary.AppendVarint(r, int64(i))
		r = binary.AppendVarint(r, -1) // no key
		r = binary.AppendVarint(r, recordBytes)
		r = append(append(r, value...), 0) // no headers
		body = append(binary.AppendVarint(body, int64(len(r))), r...)
	}
	now := uint64(time.Now().UnixMilli())
	checked := binary.BigEndian.AppendUint16(nil, 0) // attributes
	checked = binary.BigEndian.AppendUint32(checked, uint32(records-1))
	checked = binary.BigEndian.AppendUint64(checked, now)
	checked = binary.BigEndian.AppendUint64(checked, now)
	checked = binary.BigEndian.AppendUint64(checked, 1<<64-1) // producer id
	checked = binary.BigEndian.AppendUint16(checked, 1<<16-1)
	checked = binary.BigEndian.AppendUint32(checked, 1<<32-1)
	checked = binary.BigEndian.AppendUint32(checked, uint32(records))
	checked = append(checked, body...)

	b := binary.BigEndian.AppendUint64(nil, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(9+len(checked)))
	b = binary.BigEndian.AppendUint32(b, 0) // leader epoch
	b = append(b, 2)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(checked, castagnoli))
	return append(b, checked...)
}

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("figures"))

// produceFrame encodes a whole Produce request once; every request of a connection is the same bytes.
func produceFrame(topic string, partition int32, batch []byte) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(8) // the last whose answers have a fixed layout
	req.Acks, req.TimeoutMillis = -1, 30_000
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.ProduceRequestTopicPartition{p}
	req.Topics = append(req.Topics, t)
	return formatter.AppendRequest(nil, req, 1)
}

// client is one connection.
type client struct {
	net.Conn
	in  *bufio.Reader
	buf []byte
}

func dial(address string) (*client, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{Conn: nc, in: bufio.NewReaderSize(nc, 64<<10)}, nil
}

// answer reads one response, without its size.
func (c *client) answer() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > cap(c.buf) {
		c.buf = make([]byte, n)
	}
	_, err := io.ReadFull(c.in, c.buf[:n])
	return c.buf[:n], err
}

// produced reads one Produce response of one partition.
func (c *client) produced(topic string) error {
	b, err := c.answer()
	if err != nil {
		return err
	}
	at := 4 + 4 + 2 + len(topic) + 4 + 4
	if len(b) < at+2 {
		return fmt.Errorf("a Produce response of %d bytes", len(b))
	}
	if code := binary.BigEndian.Uint16(b[at:]); code != 0 {
		return fmt.Errorf("produce: error code %d", code)
	}
	return nil
}

// fetch reads from an offset and returns how many bytes of records came and the next offset.
func (c *client) fetch(topic string, partition int32, offset int64, most int32) (n int, next int64, err error) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 500, 1, most, -1
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, most
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.FetchRequestTopicPartition{p}
	req.Topics = append(req.Topics, t)
	if _, err := c.Write(formatter.AppendRequest(nil, req, 1)); err != nil {
		return 0, 0, err
	}
	b, err := c.answer()
	if err != nil {
		return 0, 0, err
	}
	at := 4 + 4 + 2 + 4 + 4 + 2 + len(topic) + 4 + 4 // the partition's error code
	if len(b) < at+2+24+4+4+4 {
		return 0, 0, fmt.Errorf("a Fetch response of %d bytes", len(b))
	}
	if code := binary.BigEndian.Uint16(b[at:]); code != 0 {
		return 0, 0, fmt.Errorf("fetch: error code %d", code)
	}
	records := b[at+2+24+4+4+4:]
	n, next = len(records), offset
	for len(records) >= 27 {
		size := 12 + int(binary.BigEndian.Uint32(records[8:]))
		if size > len(records) {
			break // cut short, as Kafka may
		}
		next = int64(binary.BigEndian.Uint64(records)) + int64(binary.BigEndian.Uint32(records[23:])) + 1
		records = records[size:]
	}
	return n, next, nil
}
