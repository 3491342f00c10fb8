package format

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// byLayout are the conversions of strftime that Go has a layout for.
var byLayout = map[byte]string{'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': time.ANSIC, 'z': "-0700", 'Z': "MST", '+': "Mon Jan _2 15:04:05 MST 2006"}

// byOthers are those made of others.
var byOthers = map[byte]string{'D': "%m/%d/%y", 'r': "%I:%M:%S %p", 'R': "%H:%M", 'T': "%H:%M:%S", 'X': "%H:%M:%S", 'x': "%d/%m/%y", 'n': "\n", 't': "\t", '%': "%%"}

// strftime writes a time as strftime(3) does in the C locale; with 12 hours noon is 00, as rpk writes it.
func strftime(dst []byte, t time.Time, layout string) []byte {
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' || i == len(layout)-1 {
			dst = append(dst, layout[i])
			continue
		}
		i++
		c := layout[i]
		switch {
		case c == 'E' || c == 'O': // variants of what follows, which is left out with them
			if i+1 < len(layout) && (layout[i+1]|0x20 >= 'a' && layout[i+1]|0x20 <= 'z') {
				i++
			}
		case c == '%':
			dst = append(dst, '%')
		case byLayout[c] != "":
			dst = t.AppendFormat(dst, byLayout[c])
		case byOthers[c] != "":
			dst = strftime(dst, t, byOthers[c])
		default:
			dst = strftimeNumber(dst, t, c)
		}
	}
	return dst
}

func strftimeNumber(dst []byte, t time.Time, c byte) []byte {
	year, week := t.ISOWeek()
	weekday := int(t.Weekday())
	two := func(n int) []byte { return fmt.Appendf(dst, "%02d", n) }
	switch c {
	case 'C':
		return two(t.Year() / 100)
	case 'd':
		return two(t.Day())
	case 'e':
		return fmt.Appendf(dst, "%2d", t.Day())
	case 'F':
		return fmt.Appendf(dst, "%d-%02d-%02d", t.Year(), t.Month(), t.Day())
	case 'G':
		return fmt.Appendf(dst, "%04d", year)
	case 'g':
		return two(year % 100)
	case 'H':
		return two(t.Hour())
	case 'I':
		return two(t.Hour() % 12)
	case 'j':
		return fmt.Appendf(dst, "%03d", t.YearDay())
	case 'k':
		return fmt.Appendf(dst, "%2d", t.Hour())
	case 'l':
		return fmt.Appendf(dst, "%2d", t.Hour()%12)
	case 'm':
		return two(int(t.Month()))
	case 'M':
		return two(t.Minute())
	case 'p':
		return t.AppendFormat(dst, "PM")
	case 'P':
		return append(dst, strings.ToLower(t.Format("PM"))...)
	case 's':
		return strconv.AppendInt(dst, t.Unix(), 10)
	case 'S':
		return two(t.Second())
	case 'u':
		return strconv.AppendInt(dst, int64((weekday+6)%7+1), 10)
	case 'U':
		return two((t.YearDay() - weekday + 7) / 7)
	case 'V':
		return two(week)
	case 'w':
		return strconv.AppendInt(dst, int64(weekday), 10)
	case 'W':
		return two((t.YearDay() - (weekday+6)%7 + 7) / 7)
	case 'y':
		return two(t.Year() % 100)
	case 'Y':
		return fmt.Appendf(dst, "%04d", t.Year())
	}
	return append(dst, '%', c)
}
