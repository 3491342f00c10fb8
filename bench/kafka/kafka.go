// Package kafka is the little of the protocol that a benchmark speaks by itself: frames of Produce that are encoded once, their answers, and plain blocking calls
// for everything that is not measured. The versions are ones that Apache Kafka 2.4 to 4 and Odradek all serve.
package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/net/wire"
)

const (
	clientID = "odradek-bench"
	// produceVersion is the last whose requests end in the records and whose answers have a fixed layout.
	produceVersion = 8
	produceTimeout = 30_000
	// ReplyMax bounds a response.
	ReplyMax = 128 << 20
)

// ProduceHead is the part of a Produce request before the batch. SetLength must be called for each batch that follows it.
func ProduceHead(topic string, partition int32, acks int16) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(produceVersion)
	req.Acks, req.TimeoutMillis = acks, produceTimeout
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, nil // null: the length is the last field, and all that is missing follows it
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.ProduceRequestTopicPartition{p}
	req.Topics = append(req.Topics, t)
	return wire.AppendRequest(nil, 0, clientID, req)
}

// SetLength says in a head how long the batch behind it is.
func SetLength(head []byte, batch int) {
	binary.BigEndian.PutUint32(head, uint32(len(head)-4+batch))
	binary.BigEndian.PutUint32(head[len(head)-4:], uint32(batch))
}

// ErrReply is wrapped by errors about a response that cannot be read.
var ErrReply = errors.New("malformed response")

// Produced reads the answer, without its size field, to a request that ProduceHead began.
func Produced(frame []byte, topic string) (base record.Offset, code errcode.Code, err error) {
	at := 4 + 4 + 2 + len(topic) + 4 + 4
	if len(frame) < at+10 {
		return 0, 0, fmt.Errorf("%w: Produce in %d bytes", ErrReply, len(frame))
	}
	return record.Offset(binary.BigEndian.Uint64(frame[at+2:])), errcode.Code(binary.BigEndian.Uint16(frame[at:])), nil
}

// Conn is a connection for calls one after another.
type Conn struct {
	nc  net.Conn
	buf []byte
}

// Dial connects.
func Dial(address string, timeout time.Duration) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, err
	}
	return &Conn{nc: nc}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Call sends a request and returns its response, which is valid until the next call.
func (c *Conn) Call(req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	reply, err := c.Exchange(wire.AppendRequest(nil, 1, clientID, req), timeout)
	if err != nil {
		return nil, err
	}
	_, resp, err := wire.DecodeResponse(req, reply)
	return resp, err
}

// Exchange sends a request that is encoded already and returns its response without its size field, which is valid until the next call.
func (c *Conn) Exchange(frame []byte, timeout time.Duration) ([]byte, error) {
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := c.nc.Write(frame); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(c.nc, head[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(head[:])))
	if n < 4 || n > ReplyMax {
		return nil, fmt.Errorf("%w: %d bytes", ErrReply, n)
	}
	if n > cap(c.buf) {
		c.buf = make([]byte, n)
	}
	_, err := io.ReadFull(c.nc, c.buf[:n])
	return c.buf[:n], err
}

// Spread is a Produce request with the same batch for each of so many partitions, encoded. Check reads its answer.
func Spread(topic string, partitions int, acks int16, batch []byte) []byte {
	return wire.AppendRequest(nil, 1, clientID, spread(topic, partitions, acks, batch))
}

func spread(topic string, partitions int, acks int16, batch []byte) kmsg.Request {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(produceVersion)
	req.Acks, req.TimeoutMillis = acks, produceTimeout
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	for i := range partitions {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), batch
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// Check demands that an answer to a request of Spread accepts every partition.
func Check(reply []byte, partitions int) error {
	_, resp, err := wire.DecodeResponse(spread("", 0, -1, nil), reply)
	if err != nil {
		return err
	}
	n := 0
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return fmt.Errorf("Produce to %s %d: %v", t.Topic, p.Partition, errcode.Code(p.ErrorCode))
			}
			n++
		}
	}
	if n != partitions {
		return fmt.Errorf("%w: %d of %d partitions are answered", ErrReply, n, partitions)
	}
	return nil
}
