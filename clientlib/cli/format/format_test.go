package format

import (
	"strings"
	"testing"
	"time"

	"odradek/clientlib"
	"odradek/core/record"
)

var (
	partition = clientlib.Fetched{Topic: "orders", Partition: 3, LogStart: 10, LastStable: 40, HighWatermark: 50}
	sample    = clientlib.Consumed{Topic: "orders", Partition: 3, Offset: 42, LeaderEpoch: 7, Timestamp: time.UnixMilli(1_767_323_045_678), Key: []byte("k\x01"), Value: []byte{0xff, 0xfe, 0, 2, 'x'},
		Headers: []clientlib.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: nil}}, ProducerID: 99, ProducerEpoch: 2, Attributes: 4 | int16(record.AttrTransactional)}
)

func TestRPK(t *testing.T) {
	for layout, want := range map[string]string{ // any order: each by itself
		`%t[%p]@%o e%e\n`: "orders[3]@42 e7\n", `%T %K %V %H %i`: "6 2 5 2 1", `%k{hex}|%v{base64}|%v{base64raw}|%t{}`: "6b01|//4AAng=|//4AAng|orders",
		`%o{hex64} %o{hex32} %o{hex16} %o{hex8} %o{hex4} %o{hex} %o{bool} %e{number}`: "000000000000002a 0000002a 002a 2a a 2a true 7",
		`%p{big64}%p{big32}%p{big16}%p{big8}`:                                         "\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x03\x00\x03\x03",
		`%p{little64}%p{little16}%p{byte}`:                                            "\x03\x00\x00\x00\x00\x00\x00\x00\x03\x00\x03",
		`%d %d{hex} %d{go[2006-01-02 15:04:05.000]} %d{strftime##%F %T %a %j##}`:      "1767323045678 19b7ca98f2e 2026-01-02 03:04:05.678 2026-01-02 03:04:05 Fri 002",
		`%h{ %k=%v{hex} (%V)}.`:                                                       " a=31 (1) b= (0).", `%x/%y %[ %| %]`: "99/2 10 40 50", `%a{compression} %a{compression;number} %a{transactional-bit;bool} %a{control-bit} %a{timestamp-type}`: "zstd 4 true 0 0",
		`%v{unpack[>hH]}|%v{unpack{<bB}}|%v{unpack[i$]}|%v{unpack[qq]}`: "-22|-1254|33619711%!$(not end-of-input)|%!(have 5 bytes, need 8)%!(have 0 bytes, need 8)",
		`%%%{%}\t\\\x41\xff`: "%{}\t\\A\xff", `%k{unpack[cs]}`: "k\x01", "é%o": "é42",
	} {
		w, err := RPK(layout)
		if err != nil {
			t.Errorf("%s: %v", layout, err)
			continue
		}
		if got := string(w.Append(nil, &partition, &sample)); got != want {
			t.Errorf("%s: %q, want %q", layout, got, want)
		}
	}
	for layout, want := range map[string]string{"%": "ends the layout", "%z": "no verb", "%o{dec}": "no format of a number", "%v{hex": "not closed", "%a": "what", "%h": "how", "%h{%k": "not closed", // any order: each by itself
		`\q`: "want one of", `\x4`: "two hexadecimal", "%v{unpack[z]}": "want one of", "%v{unpack[ss]}": "nothing follows", "%d{go[x}": "not closed", "%a{codec}": "want compression"} {
		if _, err := RPK(layout); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", layout, err, want)
		}
	}
}

func TestKcat(t *testing.T) {
	w, err := Kcat(`%t [%p] %o %k %K %S %T %h %%\n`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(w.Append(nil, &partition, &sample)), "orders [3] 42 k\x01 2 5 1767323045678 a=1,b=NULL %\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	w, _ = Kcat("%S %K %R")
	if got := string(w.Append(nil, &partition, &clientlib.Consumed{})); got != "-1 -1 \xff\xff\xff\xff" {
		t.Errorf("null: %q", got)
	}
	if _, err := Kcat("%v"); err == nil || !strings.Contains(err.Error(), "no verb") {
		t.Errorf("%v", err)
	}
}
