package main

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// enemy is one kind of hostile connection: what it does between two pauses, on a new connection. It may take until the deadline that the connection has.
type enemy struct {
	name string
	act  func(c *client, rng *rand.Rand) error
}

// The sizes of what enemies say.
const (
	noiseBytes      = 64 << 10
	promisedBytes   = 90 << 20
	halfBytes       = 1 << 20
	manyPartitions  = 10_000
	bombBytes       = 100 << 20 // decompressed
	unreadRequests  = 2_000
	drip            = 20 // bytes, one at a time
	enemyPatience   = 5 * time.Second
	holdUnread      = time.Second
	betweenTheDrips = 50 * time.Millisecond
)

// said is an enemy that says something and waits for the end of the connection.
func said(what []byte) func(*client, *rand.Rand) error {
	return func(c *client, _ *rand.Rand) error {
		_, _ = c.Write(what) // it may be closed before all is said
		return ended(c)
	}
}

// ended waits until the node closes.
func ended(c *client) error {
	_, err := io.Copy(io.Discard, c.in)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return nil // closed, with or without a reset
}

// asks is an enemy that sends a request which costs more than it should, and takes its answer.
func asks(frame []byte) func(*client, *rand.Rand) error {
	return func(c *client, _ *rand.Rand) error {
		if _, err := c.Write(frame); err != nil {
			return err
		}
		_, err := c.answer()
		return err
	}
}

func enemies(topic string) []enemy {
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.SetVersion(12)
	one := formatter.AppendRequest(nil, metadata, 1)
	join := kmsg.NewPtrJoinGroupRequest()
	join.SetVersion(99)
	return []enemy{
		{"random bytes", func(c *client, rng *rand.Rand) error {
			noise := make([]byte, noiseBytes)
			for i := range noise {
				noise[i] = byte(rng.Uint32())
			}
			noise[0] |= 0x40 // a size that nobody may say
			return said(noise)(c, rng)
		}},
		{"HTTP", said([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))},
		{"TLS", func(c *client, _ *rand.Rand) error {
			if tls.Client(c, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12}).Handshake() == nil {
				return fmt.Errorf("a TLS handshake on a plain listener succeeds")
			}
			return nil
		}},
		{"lying lengths", func(c *client, rng *rand.Rand) error {
			lie := bytes.Clone(one)
			at := 14 + rng.IntN(len(lie)-14) // behind the header
			copy(lie[at:], []byte{0xff, 0xff, 0xff, 0xff, 0x0f}[:min(5, len(lie)-at)])
			if _, err := c.Write(lie); err != nil {
				return err
			}
			_, _ = c.answer() // some are no lies
			return nil
		}},
		{"unknown APIs", said(formatter.AppendRequest(nil, join, 1))},
		{"promises", func(c *client, _ *rand.Rand) error {
			head := append(binary.BigEndian.AppendUint32(nil, promisedBytes), 0, 0, 0, 9, 0, 0, 0, 1)
			_, err := c.Write(append(head, make([]byte, halfBytes)...))
			time.Sleep(holdUnread)
			return err
		}},
		{"byte by byte", func(c *client, _ *rand.Rand) error {
			for _, b := range one[:min(drip, len(one))] {
				if _, err := c.Write([]byte{b}); err != nil {
					return err
				}
				time.Sleep(betweenTheDrips)
			}
			return nil
		}},
		{"never reads", func(c *client, _ *rand.Rand) error {
			_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
			_ = c.SetWriteDeadline(time.Now().Add(holdUnread))
			_, _ = c.Write(bytes.Repeat(one, unreadRequests))
			return nil
		}},
		{"many partitions", asks(manyFrame(topic))},
		{"bombs", asks(produceFrame(topic, 0, bomb()))},
	}
}

// manyFrame fetches partitions that do not exist.
func manyFrame(topic string) []byte {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	for i := range int32(manyPartitions) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes = i+1000, 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return formatter.AppendRequest(nil, req, 1)
}

// bomb is a batch whose one record is zeros, a thousandth of their number.
func bomb() []byte {
	value := binary.AppendVarint([]byte{0, 0, 0, 1}, bombBytes) // attributes, timestamp and offset delta, no key
	plain := binary.AppendVarint(nil, int64(len(value)+bombBytes+1))
	plain = append(append(append(plain, value...), make([]byte, bombBytes)...), 0)
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, _ = w.Write(plain) // a Buffer takes all
	_ = w.Close()
	b := makeBatch(1)[:61]
	b[22] = 1 // gzip
	b = append(b, body.Bytes()...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// fight has a connection of a kind act again and again until the end. late counts the acts that came to no end in enemyPatience.
func (e *enemy) fight(address string, pause time.Duration, rng *rand.Rand, end *atomic.Bool, acts, late *atomic.Int64) error {
	time.Sleep(time.Duration(rng.Int64N(int64(pause) + 1)))
	for !end.Load() {
		c, err := dial(address)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		_ = c.SetDeadline(time.Now().Add(enemyPatience))
		err = e.act(c, rng)
		c.Close()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			late.Add(1)
		case err != nil && !end.Load():
			return fmt.Errorf("%s: %w", e.name, err)
		}
		acts.Add(1)
		time.Sleep(pause/2 + time.Duration(rng.Int64N(int64(pause)+1))) // never in step with one another
	}
	return nil
}
