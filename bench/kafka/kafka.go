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
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := c.nc.Write(wire.AppendRequest(nil, 1, clientID, req)); err != nil {
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
	if _, err := io.ReadFull(c.nc, c.buf[:n]); err != nil {
		return nil, err
	}
	_, resp, err := wire.DecodeResponse(req, c.buf[:n])
	return resp, err
}
