package proto

import (
	"odradek/core/api"
	"odradek/core/record"
)

// Times are in nanoseconds, as everywhere in this package.
const (
	millisecond int64 = 1_000_000
	second            = 1000 * millisecond
)

// Config is what a Client is made from. Zero values stand for the defaults in brackets, which are Kafka's of the same name.
type Config struct {
	ClientID            string            // [odradek]
	Bootstrap           []string          // host:port; at least one
	RequestTimeout      int64             // request.timeout.ms [30 s]: how long a broker may take to answer
	ConnectTimeout      int64             // socket.connection.setup.timeout.ms [10 s]: until a connection is open and its handshake over
	ReconnectBackoff    int64             // reconnect.backoff.ms [50 ms], doubled for each failure
	ReconnectBackoffMax int64             // reconnect.backoff.max.ms [1 s]
	RetryBackoff        int64             // retry.backoff.ms [100 ms], doubled for each failure
	RetryBackoffMax     int64             // retry.backoff.max.ms [1 s]
	MetadataMaxAge      int64             // metadata.max.age.ms [5 min]
	ConnectionIdle      int64             // connections.max.idle.ms [9 min]
	FrameMax            int               // most bytes of an answer [128 MiB]
	Operations          int               // most that are under way [1000]
	Seed                uint64            // of the jitter of pauses
	MaxVersions         map[api.Key]int16 // the highest version of a request to send, where a broker does not keep to what it says [the highest that both sides know]
	Codec               record.Codec
}

func (c Config) withDefaults() Config {
	fill := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	if c.ClientID == "" {
		c.ClientID = softwareName
	}
	fill(&c.RequestTimeout, 30*second)
	fill(&c.ConnectTimeout, 10*second)
	fill(&c.ReconnectBackoff, 50*millisecond)
	fill(&c.ReconnectBackoffMax, second)
	fill(&c.RetryBackoff, 100*millisecond)
	fill(&c.RetryBackoffMax, second)
	fill(&c.MetadataMaxAge, 300*second)
	fill(&c.ConnectionIdle, 540*second)
	if c.FrameMax == 0 {
		c.FrameMax = 128 << 20
	}
	if c.Operations == 0 {
		c.Operations = 1000
	}
	return c
}

// backoff is the pause after so many failures in a row (from 1 on): base doubled for each, at most most, and a fifth more or less by chance (KIP-580).
func (c *Client) backoff(base, most int64, failures int) int64 {
	pause := base
	for i := 1; i < failures && pause < most; i++ {
		pause *= 2
	}
	pause = min(pause, most)
	spread := pause / 5
	return pause - spread + int64(c.rng.N(uint64(2*spread+1)))
}
