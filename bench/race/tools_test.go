package race

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/bench/kafka"
)

// knowing is a broker that answers ApiVersions with these, and everything else with the end of the connection.
func knowing(t *testing.T, keys ...int16) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			answer(c, keys)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func answer(c net.Conn, keys []int16) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	request := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, request); err != nil || binary.BigEndian.Uint16(request) != 18 {
		return
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	for _, k := range keys {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: k})
	}
	body := resp.AppendTo(slices.Clone(request[4:8])) // behind the correlation id
	_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

// A broker without consumer groups is no failure, and nobody waits for its coordinator; one that is not there is a failure.
func TestServed(t *testing.T) {
	var unable Unable
	if err := served([]string{knowing(t, 0, 1, 3, 10)}); !errors.As(err, &unable) || unable.Why != "consumer groups are not served" {
		t.Errorf("without groups: %v", err)
	}
	conn, err := kafka.Dial(knowing(t, 0, 10, joinGroup), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if serves, err := conn.Serves(joinGroup); err != nil || !serves {
		t.Errorf("with groups: %v %v", serves, err)
	}
	if err := served([]string{"127.0.0.1:1"}); err == nil || errors.As(err, &unable) {
		t.Errorf("nobody there: %v", err)
	}
}

// Where each batch is synced a tool sends a fifth, on both sides alike.
func TestMessages(t *testing.T) {
	a := &Arena{Plan: Plan{Messages: 1000}}
	if a.messages(Durable) != 200 || a.messages(KafkaFlushed) != 200 || a.messages(Relaxed) != 1000 || a.messages(KafkaDefault) != 1000 {
		t.Error("messages of entrants differ otherwise")
	}
}
