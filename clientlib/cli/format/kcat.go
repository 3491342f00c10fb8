package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"odradek/clientlib"
)

// Kcat reads a layout of kcat's:
//
//	%s %k      value, key
//	%S %K      their lengths, -1 for null; %R the value's as four bytes, big endian
//	%h         headers, name=value,…
//	%t %p %o   topic, partition, offset
//	%T         timestamp in milliseconds
//	%%         a percent sign;  \t \n \r \\ \xNN
func Kcat(layout string) (*Formatter, error) {
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
		case layout[0] == '%':
			text, layout = append(text, '%'), layout[1:]
		default:
			as := kcatVerbs[layout[0]]
			if as == nil {
				return nil, fmt.Errorf("%%%c is no verb: want one of s S R k K T h t p o", layout[0])
			}
			w.literal(text)
			text, layout = nil, layout[1:]
			w.parts = append(w.parts, func(dst []byte, o *one) []byte { return as(dst, o.r) })
		}
	}
	w.literal(text)
	return w, nil
}

var kcatVerbs = map[byte]func(dst []byte, r *clientlib.Consumed) []byte{
	's': func(dst []byte, r *clientlib.Consumed) []byte { return append(dst, r.Value...) },
	'S': func(dst []byte, r *clientlib.Consumed) []byte { return strconv.AppendInt(dst, length(r.Value), 10) },
	'R': func(dst []byte, r *clientlib.Consumed) []byte {
		return binary.BigEndian.AppendUint32(dst, uint32(length(r.Value)))
	},
	'k': func(dst []byte, r *clientlib.Consumed) []byte { return append(dst, r.Key...) },
	'K': func(dst []byte, r *clientlib.Consumed) []byte { return strconv.AppendInt(dst, length(r.Key), 10) },
	'T': func(dst []byte, r *clientlib.Consumed) []byte {
		return strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10)
	},
	't': func(dst []byte, r *clientlib.Consumed) []byte { return append(dst, r.Topic...) },
	'p': func(dst []byte, r *clientlib.Consumed) []byte { return strconv.AppendInt(dst, int64(r.Partition), 10) },
	'o': func(dst []byte, r *clientlib.Consumed) []byte { return strconv.AppendInt(dst, r.Offset, 10) },
	'h': kcatHeaders,
}

// length is -1 for null.
func length(p []byte) int64 {
	if p == nil {
		return -1
	}
	return int64(len(p))
}

func kcatHeaders(dst []byte, r *clientlib.Consumed) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, h.Key...), '=')
		if h.Value == nil {
			dst = append(dst, "NULL"...)
			continue
		}
		dst = append(dst, h.Value...)
	}
	return dst
}
