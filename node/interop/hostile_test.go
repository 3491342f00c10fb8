package interop

import (
	"crypto/tls"
	enc "encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// hostile is what no Kafka client says; each closes its connection with one line in the log.
func hostile() map[string][]byte {
	rng := rand.New(rand.NewPCG(4, 4))
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	noise[0] = 0x7e // so that it is not by chance the size of a frame that one would wait for
	framed := append(enc.BigEndian.AppendUint32(nil, 1000), noise[:1000]...)
	short := append(enc.BigEndian.AppendUint32(nil, 3), 0, 18, 0)
	return map[string][]byte{
		"2 GB":           enc.BigEndian.AppendUint32(nil, 1<<31-1),
		"2 GB and bytes": append(enc.BigEndian.AppendUint32(nil, 1<<31-1), noise...),
		"negative size":  enc.BigEndian.AppendUint32(nil, 1<<31+5),
		"size zero":      enc.BigEndian.AppendUint32(nil, 0),
		"no header":      short,
		"random bytes":   noise,
		"random frame":   framed,
		"HTTP":           []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"TLS":            clientHello(),
	}
}

// clientHello is what a TLS client says first.
func clientHello() []byte {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_ = tls.Client(theirs, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12}).Handshake()
		theirs.Close()
	}()
	b := make([]byte, 4096)
	n, _ := ours.Read(b)
	return b[:n]
}

// TestHostile says all of it to a node that serves other clients, and looks at its memory.
func TestHostile(t *testing.T) {
	n := start(t)
	t.Logf("%.1f MB resident when idle", float64(n.memory())/1e6)
	c := client(t, n)
	createTopic(t, c, "served", 1)
	serves := func() {
		t.Helper()
		if err := c.ProduceSync(deadline(t, 5*time.Second), &kgo.Record{Topic: "served", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal("others are not served: ", err)
		}
	}
	serves()
	before := n.memory()
	for name, said := range hostile() {
		lines := strings.Count(n.log.String(), "connection closed")
		nc := dial(t, n)
		_, _ = nc.Write(said) // it may be closed before all of it is said
		_ = nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		var timeout net.Error
		if got, err := io.ReadAll(nc); len(got) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: answered %d bytes, %v; want a closed connection", name, len(got), err)
		}
		nc.Close()
		serves()
		if more := strings.Count(n.log.String(), "connection closed") - lines; more != 1 {
			t.Errorf("%s: %d lines in the log", name, more)
		}
	}
	if grown := n.memory() - before; grown > 10<<20 {
		t.Errorf("%d bytes more are resident", grown)
	}
}

// TestPromisedFrames has 100 connections promise 90 MB each and send little: memory is for what came, not for what was promised.
func TestPromisedFrames(t *testing.T) {
	n := start(t)
	c := client(t, n)
	createTopic(t, c, "served", 1)
	before := n.memory()
	for i := range 100 {
		nc := dial(t, n)
		said := append(enc.BigEndian.AppendUint32(nil, 90<<20), 0, byte(i%2), 0, 9, 0, 0, 0, 0, 0xff, 0xff) // Produce and Fetch
		if _, err := nc.Write(append(said, make([]byte, 1000)...)); err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	time.Sleep(200 * time.Millisecond)
	if err := c.ProduceSync(deadline(t, 5*time.Second), &kgo.Record{Topic: "served", Value: []byte("v")}).FirstErr(); err != nil {
		t.Error("others are not served: ", err)
	}
	grown := n.memory() - before
	t.Logf("%.1f MB more are resident", float64(grown)/1e6)
	if grown > 64<<20 {
		t.Error("that is too much")
	}
}

// TestLargeRequests sends requests of 19 MB, larger than the buffers that are kept: what is answered is not held.
func TestLargeRequests(t *testing.T) {
	n := start(t, "log.flush.interval.messages=10000")
	c := client(t, n, kgo.ProducerLinger(100*time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DisableIdempotentWrite(),
		kgo.MaxProduceRequestsInflightPerBroker(1))
	createTopic(t, c, "large", 20)
	value := make([]byte, 950_000)
	for range 25 {
		var records []*kgo.Record
		for p := range int32(20) {
			records = append(records, &kgo.Record{Topic: "large", Partition: p, Value: value})
		}
		if err := c.ProduceSync(deadline(t, 20*time.Second), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%.0f MB resident after 25 requests of 19 MB", float64(n.memory())/1e6)
	if n.memory() > 200e6 {
		t.Error("that is too much")
	}
}

func dial(t *testing.T, n *node) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	return nc
}
