package tcp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"odradek/core"
	"odradek/core/api"
	"odradek/net/wire"
)

// A flood of one kind writes ten lines and then says how many it left out; another kind is still heard.
func TestFloodCannotFillTheLog(t *testing.T) {
	b, log := start(t, Config{}, 0)
	b.server.lines.window = 700 * time.Millisecond
	for range 100 {
		c := dial(t, b.server)
		_, _ = c.nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		c.closes()
	}
	c := dial(t, b.server)
	c.send(1, kmsg.NewPtrJoinGroupRequest())
	c.closes()
	eventually(t, "a summary", func() bool { return strings.Contains(strings.Join(log.all(), "\n"), "left out") })
	count := func(word string) (n int) {
		for _, l := range log.all() {
			if strings.Contains(l, word) {
				n++
			}
		}
		return n
	}
	if n := count("HTTP begins"); n < linesMax || n > 2*linesMax {
		t.Errorf("%d lines", n)
	}
	var left, sum int
	for _, l := range log.all() {
		if _, after, ok := strings.Cut(l, "lines="); ok && strings.Contains(l, `kind="bad frame"`) {
			_, _ = fmt.Sscan(after, &left)
			sum += left
		}
	}
	if sum+count("HTTP begins") != 100 || count("does not serve") != 1 {
		t.Errorf("%d left out, %d written, %d of the other kind", sum, count("HTTP begins"), count("does not serve"))
	}
}

// What is left out when the server ends is told.
func TestLinesAreToldAtTheEnd(t *testing.T) {
	out := new(logLines)
	var l lines
	l.init(slog.New(slog.NewTextHandler(out, nil)))
	for range linesMax + 7 {
		l.write(slog.LevelWarn, kindIdle, "idle")
	}
	l.stop()
	if got := out.all(); len(got) != linesMax+1 || !strings.Contains(got[linesMax], "lines=7") {
		t.Error(got)
	}
}

// Connections beyond the rate wait, and are served then.
func TestCreationRate(t *testing.T) {
	b, log := start(t, Config{CreationRate: 50}, 0)
	began := time.Now()
	for i := range 80 { // a second's worth comes at once
		c := dial(t, b.server)
		c.send(int32(i), metadata())
		if _, _, err := c.receive(metadata()); err != nil {
			t.Fatal(err)
		}
		_ = c.nc.Close()
	}
	if took := time.Since(began); took < 400*time.Millisecond || took > 3*time.Second {
		t.Errorf("80 connections took %v", took)
	}
	if got := log.all(); len(got) == 0 || len(got) > 2*linesMax || !strings.Contains(got[0], "max.connection.creation.rate") {
		t.Error(got)
	}
}

// The kernel finds out about peers that are gone without a word.
func TestKeepalive(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	c := dial(t, b.server)
	c.send(1, metadata())
	if _, _, err := c.receive(metadata()); err != nil {
		t.Fatal(err)
	}
	b.server.each(func(c *conn) {
		on, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		idle, err2 := unix.GetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
		if on != 1 || idle > 60 || err != nil || err2 != nil {
			t.Error(on, idle, err, err2)
		}
	})
}

// A byte now and then is traffic: the request is answered. Silence is not.
func TestByteByByte(t *testing.T) {
	b, log := start(t, Config{Idle: 1500 * time.Millisecond}, 0)
	c := dial(t, b.server)
	for _, one := range wire.AppendRequest(nil, 7, "slow", metadata()) {
		if _, err := c.nc.Write([]byte{one}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(80 * time.Millisecond) // all of it takes longer than Idle
	}
	if corr, _, err := c.receive(metadata()); err != nil || corr != 7 {
		t.Fatal(corr, err, log.all())
	}
	c.closes()
	log.expect(t, "no traffic")
}

// claim sends the first bytes of a request of so many.
func claim(t *testing.T, s *Server, key api.Key, size, sent int) *client {
	c := dial(t, s)
	head := binary.BigEndian.AppendUint32(nil, uint32(size))
	head = append(head, 0, byte(key), 0, 9, 0, 0, 0, 1)
	go func() { _, _ = c.nc.Write(append(head, make([]byte, sent)...)) }()
	return c
}

// A few peers that send most of a large request, and then nothing, must not keep others out for as long as they may idle.
func TestStalledFramesGiveWay(t *testing.T) {
	b, log := start(t, Config{}, 1<<20)
	b.server.stallAfter = 50 * time.Millisecond
	first := claim(t, b.server, api.Produce, 2<<20, 1<<20)
	eventually(t, "a full budget", func() bool { return b.frames.InUse() >= 1<<20 })
	c := dial(t, b.server)
	c.send(9, produce(10, 1))
	if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != 9 {
		t.Fatal(corr, err)
	}
	first.closes()
	log.expect(t, "2097152 bytes has been coming for", "queued.max.request.bytes")
}

// Requests other than Produce lie in ordinary memory: it counts while they come, too.
func TestUnfinishedRequestsCount(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	for range 4 {
		claim(t, b.server, api.Metadata, wire.ColdFrameMax, wire.ColdFrameMax/2)
	}
	eventually(t, "charge", func() bool { return b.frames.InUse() == 4*wire.ColdFrameMax })
	b.server.each(func(c *conn) { c.close(fault{}) })
	eventually(t, "end of the charge", func() bool { return b.frames.InUse() == 0 })
}

// What all peers together leave unread is bounded: whoever adds to it is closed.
func TestUnreadOfAllIsBounded(t *testing.T) {
	b, log := start(t, Config{UnreadMax: 12 << 20}, 0)
	cluster := string(bytes.Repeat([]byte{'x'}, 8<<20))
	b.answer = func(req *core.Request) {
		big := kmsg.NewPtrMetadataResponse() // of this connection alone: it writes its version into it
		big.ClusterID = &cluster
		b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Body: big}, nil)
	}
	var all []*client
	for range 6 {
		c := dial(t, b.server)
		_ = c.nc.(*net.TCPConn).SetReadBuffer(4096)
		c.send(1, metadata())
		all = append(all, c)
	}
	eventually(t, "refusals", func() bool { return len(log.all()) >= 3 })
	if got := log.all()[0]; !strings.Contains(got, "of all connections together") {
		t.Error(got)
	}
	if n := b.server.unread.Load(); n > 12<<20 {
		t.Errorf("%d bytes wait", n)
	}
	for _, c := range all {
		_ = c.nc.Close()
	}
	eventually(t, "end of what waits", func() bool { return b.server.unread.Load() == 0 })
}
