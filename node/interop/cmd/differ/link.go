package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// How long an answer is waited for: in the sequence, where one request of Kafka's has none at all, and for the program's own needs.
const (
	replyTimeout = 10 * time.Second
	ownTimeout   = 60 * time.Second
)

// fence is the correlation of the ApiVersions request that follows one which may have no answer: what comes first tells.
const fence = 0x7ffffffe

// outcome is what a broker made of one request.
type outcome struct {
	closed   bool   // the connection
	silent   bool   // no answer, and the connection stands
	timedOut bool   // neither answer nor end
	frame    []byte // the answer from its correlation on
}

func (o *outcome) String() string {
	switch {
	case o.closed:
		return "closes the connection"
	case o.silent:
		return "does not answer"
	case o.timedOut:
		return fmt.Sprintf("neither answers nor closes within %v", replyTimeout)
	}
	return fmt.Sprintf("answers %d bytes", len(o.frame))
}

// link is a connection that is made anew when the broker has closed it.
type link struct {
	address string
	timeout time.Duration
	conn    net.Conn
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

var fenceFrame = func() []byte {
	req := kmsg.NewPtrApiVersionsRequest()
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, fence)
}()

// exchange sends a frame, with its size before it, and returns what comes back. Of a request that has no answer by its nature a fence is sent behind it.
func (l *link) exchange(frame []byte, fenced bool) (outcome, error) {
	if l.conn == nil {
		conn, err := net.DialTimeout("tcp", l.address, 5*time.Second)
		if err != nil {
			return outcome{}, err
		}
		l.conn = conn
	}
	if fenced {
		frame = append(append([]byte{}, frame...), fenceFrame...)
	}
	if err := l.conn.SetDeadline(time.Now().Add(l.timeout)); err != nil {
		return outcome{}, err
	}
	_, err := l.conn.Write(frame)
	var reply []byte
	if err == nil {
		reply, err = l.read()
	}
	var timeout net.Error
	switch {
	case err != nil && errors.As(err, &timeout) && timeout.Timeout():
		l.close()
		return outcome{timedOut: true}, nil
	case err != nil:
		l.close()
		return outcome{closed: true}, nil
	case !fenced:
		return outcome{frame: reply}, nil
	case binary.BigEndian.Uint32(reply) == fence:
		return outcome{silent: true}, nil
	}
	_, err = l.read() // the fence's
	return outcome{frame: reply}, err
}

func (l *link) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(l.conn, head[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n < 4 || n > 1<<28 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame := make([]byte, n)
	_, err := io.ReadFull(l.conn, frame)
	return frame, err
}

// decode reads a reply to req. Bytes that are left over are an error.
func decode(req kmsg.Request, frame []byte) (kmsg.Response, error) {
	resp := req.ResponseKind()
	body := frame[4:]
	version := req.GetVersion()
	if req.Key() == apiVersionsKey && len(body) >= 2 && binary.BigEndian.Uint16(body) == 35 {
		version = 0 // the fallback body
	}
	resp.SetVersion(version)
	if resp.IsFlexible() && req.Key() != apiVersionsKey {
		if len(body) < 1 || body[0] != 0 {
			return nil, errors.New("a header with tags")
		}
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%d bytes cannot be read as %T: %w", len(body), resp, err)
	}
	if again := resp.AppendTo(nil); len(again) > len(body) || len(again) < len(body) && req.Key() != apiVersionsKey {
		return nil, fmt.Errorf("%T has %d bytes, written again %d", resp, len(body), len(again))
	}
	return resp, nil
}
