package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type number func(dst []byte, n int64) []byte

func ascii(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func hexDigits(digits int) number {
	return func(dst []byte, n int64) []byte {
		for i := digits - 1; i >= 0; i-- {
			dst = append(dst, "0123456789abcdef"[uint64(n)>>(4*i)&0xf])
		}
		return dst
	}
}

func octet(dst []byte, n int64) []byte { return append(dst, byte(n)) }

// numberFormats are what may stand in the braces of a number; all truncate it.
var numberFormats = map[string]number{
	"ascii": ascii, "number": ascii,
	"hex64": hexDigits(16), "hex32": hexDigits(8), "hex16": hexDigits(4), "hex8": hexDigits(2), "hex4": hexDigits(1),
	"hex":   func(dst []byte, n int64) []byte { return strconv.AppendUint(dst, uint64(n), 16) },
	"big64": func(dst []byte, n int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(n)) },
	"big32": func(dst []byte, n int64) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) },
	"big16": func(dst []byte, n int64) []byte { return binary.BigEndian.AppendUint16(dst, uint16(n)) },
	"big8":  octet, "little8": octet, "byte": octet,
	"little64": func(dst []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(n)) },
	"little32": func(dst []byte, n int64) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(n)) },
	"little16": func(dst []byte, n int64) []byte { return binary.LittleEndian.AppendUint16(dst, uint16(n)) },
	"bool":     func(dst []byte, n int64) []byte { return strconv.AppendBool(dst, n != 0) },
}

func numberFormat(inner string) (as number, rest string, err error) {
	name, rest, closed := strings.Cut(inner, "}")
	if !closed {
		return nil, "", errors.New("the brace is not closed")
	}
	if as = numberFormats[name]; as == nil {
		return nil, "", fmt.Errorf("{%s} is no format of a number", name)
	}
	return as, rest, nil
}
