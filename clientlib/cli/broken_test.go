package cli

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// answers are of a broker that is not well: by API key, the body of each response.
type answers map[int16]func(kmsg.Request) kmsg.Response

// broken serves answers until the test ends, and returns its address.
func broken(t *testing.T, give func(at string) answers) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	known := give(l.Addr().String())
	known[18] = func(req kmsg.Request) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key := range known { // any order: a client looks each up
			resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: 4})
		}
		return resp
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn, known)
		}
	}()
	return l.Addr().String()
}

func serve(conn net.Conn, known answers) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		resp := known[key](req)
		out := append([]byte(nil), frame[4:8]...)
		if resp.IsFlexible() && key != 18 {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(out))), out...)); err != nil {
			return
		}
	}
}

// sick is a cluster with a partition without leader, one that lacks a replica, and a directory that failed; it allows nothing.
func sick(at string) answers {
	host, port, _ := net.SplitHostPort(at)
	n, _ := strconv.Atoi(port)
	return answers{
		3: func(req kmsg.Request) kmsg.Response {
			resp := req.ResponseKind().(*kmsg.MetadataResponse)
			resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: host, Port: int32(n)}}
			resp.ControllerID = 1
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic = kmsg.StringPtr("t")
			topic.Partitions = []kmsg.MetadataResponseTopicPartition{{Partition: 0, Leader: -1, ErrorCode: int16(errcode.LeaderNotAvailable), Replicas: []int32{1}}, {Partition: 1, Leader: 1, Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2}},
				{Partition: 2, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}}}
			resp.Topics = append(resp.Topics, topic)
			return resp
		},
		35: func(req kmsg.Request) kmsg.Response {
			resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
			dir := kmsg.NewDescribeLogDirsResponseDir()
			dir.Dir, dir.ErrorCode = "/disk2", int16(errcode.KafkaStorageError)
			resp.Dirs = append(resp.Dirs, dir)
			return resp
		},
		19: func(req kmsg.Request) kmsg.Response {
			resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode = "t", int16(errcode.TopicAuthorizationFailed)
			resp.Topics = append(resp.Topics, topic)
			return resp
		},
	}
}

func TestUnhealthy(t *testing.T) {
	at := broken(t, sick)
	var out, say bytes.Buffer
	if code := command(t.Context(), []string{"cluster", "health", "--bootstrap", at}, nil, &out, &say); code != exitUnhealthy {
		t.Errorf("exit code %d: %s", code, say.String())
	}
	if want := "t-0 has no leader\nt-1 has 2 of 3 replicas in sync\nbroker 1: /disk2: KAFKA_STORAGE_ERROR\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	if code := command(t.Context(), []string{"cluster", "health", "--wait", "--timeout", "500ms", "-o", "json", "--bootstrap", at}, nil, &out, &say); code != exitUnhealthy || !strings.Contains(out.String(), `"healthy": false`) {
		t.Errorf("exit code %d: %s", code, out.String())
	}
	if code := command(t.Context(), []string{"topic", "create", "t", "--bootstrap", at}, nil, &out, &say); code != exitAuth || !strings.Contains(say.String(), "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("exit code %d: %s", code, say.String())
	}
}
