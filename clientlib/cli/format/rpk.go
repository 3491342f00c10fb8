package format

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"odradek/clientlib"
	"odradek/core/record"
)

// RPK reads a layout of rpk's:
//
//	%t %k %v   topic, key, value; also {hex}, {base64}, {base64raw}, {unpack[…]}
//	%T %K %V   their lengths; numbers also {hex}, {hex4}…{hex64}, {big8}…{big64}, {little8}…{little64}, {byte}, {bool}
//	%p %o %e   partition, offset, leader epoch
//	%d         timestamp in milliseconds; also {go[…]}, {strftime[…]}, in UTC
//	%h{…}      the headers, each by %k %v %K %V; %H how many
//	%x %y      producer id and epoch
//	%a{…}      compression, timestamp-type, transactional-bit, control-bit; as a number with {…;number}
//	%[ %| %]   log start, last stable offset, high watermark of the partition
//	%i         how many records were written, from 1
//	%% %{ %}   the character;  \t \n \r \\ \xNN
func RPK(layout string) (*Formatter, error) {
	w := &Formatter{}
	var text []byte
	for layout != "" {
		c := layout[0]
		layout = layout[1:]
		switch {
		case c == '\\':
			b, size, err := slash(layout)
			if err != nil {
				return nil, err
			}
			text, layout = append(text, b), layout[size:]
		case c != '%':
			text = append(text, c)
		case layout == "":
			return nil, errors.New("a percent sign ends the layout: %% writes one")
		case layout[0] == '%' || layout[0] == '{' || layout[0] == '}':
			text, layout = append(text, layout[0]), layout[1:]
		default:
			w.literal(text)
			text = nil
			p, rest, err := verb(layout[0], layout[1:])
			if err != nil {
				return nil, err
			}
			w.parts, layout = append(w.parts, p), rest
		}
	}
	w.literal(text)
	return w, nil
}

// verb reads what follows a percent sign.
func verb(c byte, rest string) (part, string, error) {
	inner, braced := strings.CutPrefix(rest, "{")
	if get := numbers[c]; get != nil {
		as := ascii
		if braced {
			var err error
			if as, rest, err = numberFormat(inner); err != nil {
				return nil, "", fmt.Errorf("%%%c: %w", c, err)
			}
		}
		return func(dst []byte, o *one) []byte {
			n, known := get(o)
			if !known {
				return append(dst, "<nil>"...)
			}
			return as(dst, n)
		}, rest, nil
	}
	if get := texts[c]; get != nil {
		as := plain
		if braced {
			var err error
			if as, rest, err = textFormat(inner); err != nil {
				return nil, "", fmt.Errorf("%%%c: %w", c, err)
			}
		}
		return func(dst []byte, o *one) []byte { return as(dst, get(o.r)) }, rest, nil
	}
	switch c {
	case 'd':
		return date(inner, rest, braced)
	case 'a':
		if braced {
			return attribute(inner)
		}
		return nil, "", errors.New("%a wants to know what: %a{compression}, {timestamp-type}, {transactional-bit} or {control-bit}")
	case 'h':
		if braced {
			return headers(inner)
		}
		return nil, "", errors.New("%h wants to know how: such as %h{%k=%v }")
	}
	return nil, "", fmt.Errorf("%%%c is no verb: want one of t k v h T K V H p o e d a x y [ | ] i", c)
}

// numbers are the verbs whose value is a number; not known inside of %h: what is the partition's.
var numbers = map[byte]func(o *one) (n int64, known bool){
	'T': func(o *one) (int64, bool) { return int64(len(o.r.Topic)), true },
	'K': func(o *one) (int64, bool) { return int64(len(o.r.Key)), true },
	'V': func(o *one) (int64, bool) { return int64(len(o.r.Value)), true },
	'H': func(o *one) (int64, bool) { return int64(len(o.r.Headers)), true },
	'p': func(o *one) (int64, bool) { return int64(o.r.Partition), true },
	'o': func(o *one) (int64, bool) { return o.r.Offset, true },
	'e': func(o *one) (int64, bool) { return int64(o.r.LeaderEpoch), true },
	'i': func(o *one) (int64, bool) { return o.count, true },
	'x': func(o *one) (int64, bool) { return o.r.ProducerID, true },
	'y': func(o *one) (int64, bool) { return int64(o.r.ProducerEpoch), true },
	'[': func(o *one) (int64, bool) {
		return ofPartition(o, func(f *clientlib.Fetched) int64 { return f.LogStart })
	},
	'|': func(o *one) (int64, bool) {
		return ofPartition(o, func(f *clientlib.Fetched) int64 { return f.LastStable })
	},
	']': func(o *one) (int64, bool) {
		return ofPartition(o, func(f *clientlib.Fetched) int64 { return f.HighWatermark })
	},
}

func ofPartition(o *one, get func(*clientlib.Fetched) int64) (int64, bool) {
	if o.f == nil {
		return 0, false
	}
	return get(o.f), true
}

var texts = map[byte]func(r *clientlib.Consumed) []byte{
	't': func(r *clientlib.Consumed) []byte { return []byte(r.Topic) },
	'k': func(r *clientlib.Consumed) []byte { return r.Key },
	'v': func(r *clientlib.Consumed) []byte { return r.Value },
}

func plain(dst, text []byte) []byte { return append(dst, text...) }

// textFormat reads what stands in the braces of a text.
func textFormat(inner string) (as func(dst, text []byte) []byte, rest string, err error) {
	if after, ok := strings.CutPrefix(inner, "unpack"); ok {
		spec, after, err := enclosed(after)
		if err != nil {
			return nil, "", fmt.Errorf("unpack: %w", err)
		}
		as, err = unpack(spec)
		return as, after, err
	}
	name, rest, closed := strings.Cut(inner, "}")
	switch {
	case !closed:
		return nil, "", errors.New("the brace is not closed")
	case name == "":
		return plain, rest, nil
	case name == "hex":
		return hex.AppendEncode, rest, nil
	case name == "base64":
		return base64.StdEncoding.AppendEncode, rest, nil
	case name == "base64raw":
		return base64.RawStdEncoding.AppendEncode, rest, nil
	}
	return nil, "", fmt.Errorf("{%s}: want hex, base64, base64raw or unpack[…]", name)
}

// enclosed reads text between delimiters, such as [%F] or ##%F##, and the brace after it.
func enclosed(s string) (text, rest string, err error) {
	if s == "" {
		return "", "", errors.New("want a format in brackets")
	}
	n := len(s) - len(strings.TrimLeft(s, s[:1]))
	closing := s[:1]
	if i := strings.IndexByte("{[(", s[0]); i >= 0 {
		closing = "}])"[i : i+1]
	}
	text, rest, ok := strings.Cut(s[n:], strings.Repeat(closing, n))
	if !ok {
		return "", "", fmt.Errorf("%s is not closed", s[:n])
	}
	if rest, ok = strings.CutPrefix(rest, "}"); !ok {
		return "", "", errors.New("the brace is not closed")
	}
	return text, rest, nil
}

func date(inner, rest string, braced bool) (part, string, error) {
	of := func(as func(dst []byte, t time.Time) []byte) part {
		return func(dst []byte, o *one) []byte { return as(dst, o.r.Timestamp.UTC()) }
	}
	as := ascii
	if braced {
		for name, with := range map[string]func(dst []byte, t time.Time, layout string) []byte{"strftime": strftime, "go": func(dst []byte, t time.Time, layout string) []byte { return t.AppendFormat(dst, layout) }} { // any order: neither is the beginning of the other
			if after, ok := strings.CutPrefix(inner, name); ok {
				layout, rest, err := enclosed(after)
				if err != nil {
					return nil, "", fmt.Errorf("%%d{%s: %w", name, err)
				}
				return of(func(dst []byte, t time.Time) []byte { return with(dst, t, layout) }), rest, nil
			}
		}
		var err error
		if as, rest, err = numberFormat(inner); err != nil {
			return nil, "", fmt.Errorf("%%d: %w, nor strftime[…] or go[…]", err)
		}
	}
	return of(func(dst []byte, t time.Time) []byte { return as(dst, t.UnixMilli()) }), rest, nil
}

// attribute reads what stands in the braces of %a.
func attribute(inner string) (part, string, error) {
	spec, rest, closed := strings.Cut(inner, "}")
	if !closed {
		return nil, "", errors.New("%a: the brace is not closed")
	}
	name, number, numeric := strings.Cut(spec, ";")
	as := ascii
	if numeric {
		var err error
		if as, _, err = numberFormat(number + "}"); err != nil {
			return nil, "", fmt.Errorf("%%a: %w", err)
		}
	}
	bits := map[string]func(a record.Attributes) int64{
		"compression":       func(a record.Attributes) int64 { return int64(a.Codec()) },
		"timestamp-type":    func(a record.Attributes) int64 { return int64(a & record.AttrLogAppendTime >> 3) },
		"transactional-bit": func(a record.Attributes) int64 { return int64(a & record.AttrTransactional >> 4) },
		"control-bit":       func(a record.Attributes) int64 { return int64(a & record.AttrControl >> 5) },
	}[name]
	switch {
	case bits == nil:
		return nil, "", fmt.Errorf("%%a{%s}: want compression, timestamp-type, transactional-bit or control-bit", name)
	case name == "compression" && !numeric:
		return func(dst []byte, o *one) []byte {
			return append(dst, codecName(record.Attributes(o.r.Attributes).Codec())...)
		}, rest, nil
	}
	return func(dst []byte, o *one) []byte { return as(dst, bits(record.Attributes(o.r.Attributes))) }, rest, nil
}

func codecName(id record.CodecID) string {
	if names := [...]string{"none", "gzip", "snappy", "lz4", "zstd"}; int(id) < len(names) {
		return names[id]
	}
	return "unknown"
}

// headers reads the layout of one header, up to its closing brace.
func headers(inner string) (part, string, error) {
	end, open := 0, 1
	for ; end < len(inner); end++ {
		switch inner[end] {
		case '%':
			end++ // %{ and %} are no braces
		case '{':
			open++
		case '}':
			open--
		}
		if open == 0 {
			break
		}
	}
	if open > 0 {
		return nil, "", errors.New("%h: the brace is not closed")
	}
	each, err := RPK(inner[:end])
	if err != nil {
		return nil, "", fmt.Errorf("%%h: %w", err)
	}
	return func(dst []byte, o *one) []byte {
		for _, h := range o.r.Headers {
			dst = each.append(dst, &one{r: &clientlib.Consumed{Key: []byte(h.Key), Value: h.Value}, count: o.count})
		}
		return dst
	}, inner[end+1:], nil
}
