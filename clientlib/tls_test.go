package clientlib

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core"
)

// relay passes on what a TLS listener takes, to a plain address.
func relay(front net.Listener, to string) {
	for {
		in, err := front.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			_, _ = io.Copy(in, out)
		}()
	}
}

// The client speaks TLS, and does not talk to a broker whose certificate it does not trust, nor in plain to one that wants TLS.
func TestTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil) // for its certificate of 127.0.0.1
	defer certified.Close()
	front, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	n := startNode(t, t.TempDir(), "127.0.0.1:0", core.KeyValue{Key: "advertised.listeners", Value: "PLAINTEXT://" + front.Addr().String()})
	defer stopNode(t, n)
	go relay(front, address(n))
	pool := x509.NewCertPool()
	pool.AddCert(certified.Certificate())
	connect := func(secure *tls.Config, timeout time.Duration) *Client {
		c, err := New(Config{Bootstrap: front.Addr().String(), TLS: secure, Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	c := connect(&tls.Config{RootCAs: pool}, 20*time.Second)
	createTopic(t, c, "t", 1)
	produceTo(t, c, "t", 10, proto.ProducerConfig{})
	k, err := c.Consumer(proto.ConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	k.Assign("t", 0, proto.Earliest())
	read(t, k, 10, map[int32]int64{0: 0})
	metadata := Operation{Request: kmsg.NewPtrMetadataRequest(), Target: proto.Any()}
	_, err = connect(&tls.Config{}, time.Second).Do(context.Background(), metadata)
	wantError(t, err, 0, proto.ErrUnreachable, "certificate")
	_, err = connect(nil, time.Second).Do(context.Background(), metadata)
	if err == nil || !errors.Is(err, proto.ErrUnreachable) && !errors.Is(err, proto.ErrTimeout) {
		t.Errorf("in plain: %v", err)
	}
}
