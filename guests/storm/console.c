/* The PL011 (Arm DDI 0183) as console: output by polling, input by interrupt; and formatted output. */
#include "storm.h"

enum {
    UARTDR = 0x000,
    UARTFR = 0x018,
    UARTIBRD = 0x024,
    UARTFBRD = 0x028,
    UARTLCR_H = 0x02c,
    UARTCR = 0x030,
    UARTIMSC = 0x038,
    UARTICR = 0x044,
    FR_RXFE = 1 << 4,
    FR_TXFF = 1 << 5,
    LCR_H_FEN = 1 << 4,
    LCR_H_WLEN_8 = 3 << 5,
    CR_UARTEN = 1 << 0,
    CR_TXE = 1 << 8,
    CR_RXE = 1 << 9,
    INT_RX = 1 << 4,
    INT_RT = 1 << 6,
};

/* 115200 baud from the 24 MHz clock of the tree: 24000000 / (16 * 115200) = 13 + 1/64. */
void console_init(void)
{
    u64 uart = platform.uart.base;
    write32(uart + UARTCR, 0);
    write32(uart + UARTIMSC, 0);
    write32(uart + UARTICR, 0x7ff);
    write32(uart + UARTIBRD, 13);
    write32(uart + UARTFBRD, 1);
    write32(uart + UARTLCR_H, LCR_H_FEN | LCR_H_WLEN_8);
    write32(uart + UARTCR, CR_UARTEN | CR_TXE | CR_RXE);
}

static void put(char c)
{
    u64 uart = platform.uart.base;
    if (c == '\n')
        put('\r');
    while (read32(uart + UARTFR) & FR_TXFF)
        ;
    write32(uart + UARTDR, c);
}

/* Keys are echoed, so that a recording with input shows where each arrived. */
static void console_irq(void)
{
    u64 uart = platform.uart.base;
    while (!(read32(uart + UARTFR) & FR_RXFE)) {
        u32 key = read32(uart + UARTDR) & 0xff;
        say("key", "0x%02x '%c'\n", key, key >= ' ' && key < 0x7f ? key : '.');
    }
    write32(uart + UARTICR, INT_RX | INT_RT);
}

void console_irq_init(void)
{
    if (!platform.uart.irq.intid)
        return;
    irq_request(&platform.uart.irq, console_irq, IRQ_DIRECT, "uart");
    write32(platform.uart.base + UARTIMSC, INT_RX | INT_RT);
}

static void print_number(u64 value, u32 base, u32 width, char pad)
{
    char digits[24];
    u32 count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (width > count) {
        put(pad);
        width--;
    }
    while (count)
        put(digits[--count]);
}

static void print_text(const char *text, u32 width)
{
    u32 count = 0;
    for (; text[count]; count++)
        put(text[count]);
    for (; count < width; count++)
        put(' ');
}

static void format_list(const char *format, __builtin_va_list *list)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        char pad = ' ';
        u32 width = 0, is_long = 0;
        if (*++format == '0') {
            pad = '0';
            format++;
        }
        while (*format >= '0' && *format <= '9')
            width = width * 10 + (u32)(*format++ - '0');
        if (*format == 'l') {
            is_long = 1;
            format++;
        }
        switch (*format) {
        case 's':
            print_text(__builtin_va_arg(*list, const char *), width);
            break;
        case 'c':
            put((char)__builtin_va_arg(*list, u32));
            break;
        case 'u':
        case 'x':
            print_number(is_long ? __builtin_va_arg(*list, u64) : __builtin_va_arg(*list, u32),
                         *format == 'u' ? 10 : 16, width, pad);
            break;
        default:
            put(*format);
        }
    }
}

void print(const char *format, ...)
{
    __builtin_va_list list;
    __builtin_va_start(list, format);
    format_list(format, &list);
    __builtin_va_end(list);
}

/* Lines of different tasks do not mix: interrupts are off for the length of one. */
void say(const char *part, const char *format, ...)
{
    __builtin_va_list list;
    u64 daif = read_sysreg(daif);
    irq_disable();
    print("[%6lu us] %8s", now_us(), part);
    __builtin_va_start(list, format);
    format_list(format, &list);
    __builtin_va_end(list);
    write_sysreg(daif, daif);
}
