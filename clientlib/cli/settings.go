package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/core/config"
	"odradek/core/record"
)

// clientConfig is what -X sets.
type clientConfig struct {
	client   clientlib.Config
	producer proto.ProducerConfig
	consumer proto.ConsumerConfig
	tls      tlsConfig
}

// setting is one key of a client's configuration, under Kafka's name.
type setting struct {
	key, doc string
	set      func(c *clientConfig, value string) error
}

// millis sets a time given in milliseconds.
func millis(field func(c *clientConfig) *int64) func(c *clientConfig, value string) error {
	return func(c *clientConfig, value string) error {
		n, err := strconv.ParseUint(value, 10, 40)
		if *field(c) = int64(n) * int64(time.Millisecond); n == 0 {
			*field(c) = 1 // 0 would be the default
		}
		return err
	}
}

func whole[N int | int32 | int64](field func(c *clientConfig) *N) func(c *clientConfig, value string) error {
	return func(c *clientConfig, value string) error {
		n, err := strconv.ParseUint(value, 10, 31)
		*field(c) = N(n)
		return err
	}
}

func choice[V any](field func(c *clientConfig) *V, names []string, values []V) func(c *clientConfig, value string) error {
	return func(c *clientConfig, value string) error {
		i := slices.Index(names, value)
		if i < 0 {
			return fmt.Errorf("want one of %s", strings.Join(names, ", "))
		}
		*field(c) = values[i]
		return nil
	}
}

func text(field func(c *clientConfig) *string) func(c *clientConfig, value string) error {
	return func(c *clientConfig, value string) error { *field(c) = value; return nil }
}

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

var settings = []setting{
	{"acks", "all, 1 or 0: what a producer waits for", choice(func(c *clientConfig) *proto.Acks { return &c.producer.Acks }, []string{"all", "-1", "1", "0"}, []proto.Acks{proto.AcksAll, proto.AcksAll, proto.AcksLeader, proto.AcksNone})},
	{"auto.offset.reset", "earliest, latest or none", choice(func(c *clientConfig) *proto.Reset { return &c.consumer.Reset }, []string{"earliest", "latest", "none"}, []proto.Reset{proto.ResetEarliest, proto.ResetLatest, proto.ResetNone})},
	{"batch.size", "bytes of a batch, uncompressed", whole(func(c *clientConfig) *int { return &c.producer.BatchSize })},
	{"buffer.memory", "bytes of records that wait to be sent", whole(func(c *clientConfig) *int64 { return &c.producer.BufferMemory })},
	{"client.id", "as brokers log it", text(func(c *clientConfig) *string { return &c.client.ClientID })},
	{"client.rack", "to read from the replica nearby", text(func(c *clientConfig) *string { return &c.consumer.Rack })},
	{"compression.type", strings.Join(codecs, ", "), choice(func(c *clientConfig) *record.CodecID { return &c.producer.Compression }, codecs, []record.CodecID{0, 1, 2, 3, 4})},
	{"connections.max.idle.ms", "after which a connection is closed", millis(func(c *clientConfig) *int64 { return &c.client.Proto.ConnectionIdle })},
	{"default.api.timeout.ms", "for a request with all its tries, as --timeout", millis(func(c *clientConfig) *int64 { return (*int64)(&c.client.Timeout) })},
	{"delivery.timeout.ms", "after which a record is given up", millis(func(c *clientConfig) *int64 { return &c.producer.DeliveryTimeout })},
	{"enable.idempotence", "true or false", choice(func(c *clientConfig) *bool { return &c.producer.NotIdempotent }, []string{"true", "false"}, []bool{false, true})},
	{"fetch.max.bytes", "of one answer", whole(func(c *clientConfig) *int32 { return &c.consumer.MaxBytes })},
	{"fetch.max.wait.ms", "how long a broker may wait for fetch.min.bytes", millis(func(c *clientConfig) *int64 { return &c.consumer.MaxWait })},
	{"fetch.min.bytes", "that a broker waits for", whole(func(c *clientConfig) *int32 { return &c.consumer.MinBytes })},
	{"isolation.level", "read_uncommitted or read_committed", choice(func(c *clientConfig) *bool { return &c.consumer.ReadCommitted }, []string{"read_uncommitted", "read_committed"}, []bool{false, true})},
	{"linger.ms", "how long a batch waits for more", func(c *clientConfig, value string) error {
		err := millis(func(c *clientConfig) *int64 { return &c.producer.Linger })(c, value)
		if c.producer.Linger == 1 {
			c.producer.Linger = -1 // none
		}
		return err
	}},
	{"max.in.flight.requests.per.connection", "", whole(func(c *clientConfig) *int { return &c.producer.InFlight })},
	{"max.partition.fetch.bytes", "of one partition in an answer", whole(func(c *clientConfig) *int32 { return &c.consumer.PartitionMaxBytes })},
	{"max.request.size", "bytes of a request, and so of a record", whole(func(c *clientConfig) *int { return &c.producer.MaxRequestSize })},
	{"metadata.max.age.ms", "after which leaders are asked for again", millis(func(c *clientConfig) *int64 { return &c.client.Proto.MetadataMaxAge })},
	{"partitioner.class", "round-robin or sticky, of records without a key", choice(func(c *clientConfig) *proto.Partitioner { return &c.producer.Partitioner }, []string{"round-robin", "sticky"}, []proto.Partitioner{proto.RoundRobin, proto.Sticky})},
	{"reconnect.backoff.max.ms", "", millis(func(c *clientConfig) *int64 { return &c.client.Proto.ReconnectBackoffMax })},
	{"reconnect.backoff.ms", "", millis(func(c *clientConfig) *int64 { return &c.client.Proto.ReconnectBackoff })},
	{"request.timeout.ms", "how long a broker may take to answer", millis(func(c *clientConfig) *int64 { return &c.client.Proto.RequestTimeout })},
	{"retry.backoff.max.ms", "", millis(func(c *clientConfig) *int64 { return &c.client.Proto.RetryBackoffMax })},
	{"retry.backoff.ms", "", millis(func(c *clientConfig) *int64 { return &c.client.Proto.RetryBackoff })},
	{"security.protocol", "PLAINTEXT or SSL", choice(func(c *clientConfig) *bool { return &c.tls.on }, []string{"PLAINTEXT", "SSL"}, []bool{false, true})},
	{"socket.connection.setup.timeout.ms", "", millis(func(c *clientConfig) *int64 { return &c.client.Proto.ConnectTimeout })},
	{"ssl.endpoint.identification.algorithm", "https, or empty: the certificate may be for another name", choice(func(c *clientConfig) *bool { return &c.tls.anyName }, []string{"https", ""}, []bool{false, true})},
	{"ssl.keystore.location", "PEM file with the client's certificate and key", text(func(c *clientConfig) *string { return &c.tls.pair })},
	{"ssl.truststore.location", "PEM file with the certificates to trust; nothing: the system's", text(func(c *clientConfig) *string { return &c.tls.trusted })},
}

// parseSettings reads -X key=value.
func parseSettings(given []string) (*clientConfig, error) {
	c := &clientConfig{}
	for _, g := range given {
		key, value, ok := strings.Cut(g, "=")
		if !ok {
			return nil, usagef("-X %s: want key=value", g)
		}
		i, found := slices.BinarySearchFunc(settings, key, func(s setting, key string) int { return strings.Compare(s.key, key) })
		if !found {
			return nil, usagef("-X %s: no such key; the nearest is %s, and -X help lists all", key, nearestKey(key))
		}
		if err := settings[i].set(c, value); err != nil {
			return nil, usagef("-X %s: %w", g, err)
		}
	}
	return c, nil
}

func nearestKey(key string) string {
	var names []string
	for _, s := range settings {
		names = append(names, s.key)
	}
	return config.Nearest(key, names)
}

func printKeys(out io.Writer) error {
	var lines [][]string
	for _, s := range settings {
		lines = append(lines, []string{s.key, s.doc})
	}
	return rows(out, []string{"KEY", "MEANING"}, lines)
}

// tlsConfig is what the keys ssl.… say.
type tlsConfig struct {
	on, anyName   bool
	trusted, pair string
}

func (t *tlsConfig) config() (*tls.Config, error) {
	if !t.on {
		if t.trusted != "" || t.pair != "" {
			return nil, usagef("-X ssl.…: wants -X security.protocol=SSL")
		}
		return nil, nil
	}
	c := &tls.Config{}
	if t.trusted != "" {
		pem, err := os.ReadFile(t.trusted)
		if err != nil {
			return nil, usage{err}
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("-X ssl.truststore.location=%s: no certificate in PEM is in it", t.trusted)
		}
	}
	if t.pair != "" {
		pair, err := tls.LoadX509KeyPair(t.pair, t.pair)
		if err != nil {
			return nil, usage{err}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if t.anyName {
		c.InsecureSkipVerify = true // of the name; the chain is verified below
		c.VerifyConnection = func(state tls.ConnectionState) error {
			options := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
			for _, other := range state.PeerCertificates[1:] {
				options.Intermediates.AddCert(other)
			}
			_, err := state.PeerCertificates[0].Verify(options)
			return err
		}
	}
	return c, nil
}
