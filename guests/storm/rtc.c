/*
 * The PL031 real-time clock (Arm DDI 0224) with its alarm. The clock sits behind a slow bus, so its interrupt is
 * threaded: the line stays high until the task gets to clear it.
 */
#include "storm.h"

enum { RTCDR = 0x00, RTCMR = 0x04, RTCIMSC = 0x10, RTCRIS = 0x14, RTCICR = 0x1c };

static volatile u32 alarms;

static void rtc_irq(void)
{
    write32(platform.rtc.base + RTCICR, 1);
    alarms++;
}

void rtc_init(void)
{
    if (!platform.rtc.base)
        return;
    write32(platform.rtc.base + RTCIMSC, 0);
    write32(platform.rtc.base + RTCICR, 1);
    irq_request(&platform.rtc.irq, rtc_irq, IRQ_THREADED, "rtc");
    write32(platform.rtc.base + RTCIMSC, 1);
}

/*
 * An alarm for the current second goes off at once. If the second ends between the read and the write it does
 * not, and the next try arms it again. Returns the number of interrupts that came; 1 is right.
 */
int rtc_alarm_test(void)
{
    u32 before = alarms;
    for (u32 tries = 0; tries < 3 && alarms == before; tries++) {
        write32(platform.rtc.base + RTCMR, read32(platform.rtc.base + RTCDR));
        task_sleep(1);
    }
    return (int)(alarms - before);
}
